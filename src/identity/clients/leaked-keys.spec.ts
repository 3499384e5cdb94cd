import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import { InvalidRequestError, RateLimitedError, UnknownApiKeyError } from '../../kernel/app-error.js';
import { type AuditEvent, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { generateClientId, generateCredential, parseApiKey } from './api-key.js';
import { LeakedKeysService } from './leaked-keys.service.js';

const GUIDE = readFileSync(join(import.meta.dirname, '../../../docs/guides/leaked-keys.md'), 'utf8');
const [, pattern = ''] = /```regex\n(.*)\n```/.exec(GUIDE) ?? [];
const [, vectors = ''] = /```text\n([^`]*)\n```/.exec(GUIDE) ?? [];
const [, broken = ''] = /one character changed is no key: `([^`]+)`/.exec(GUIDE) ?? [];

describe('the published form of a key', () => {
  const scanner = new RegExp(pattern, 'g');

  it.each(['live', 'test'] as const)('finds every %s key, whole, in any text', (environment) => {
    for (let n = 0; n < 500; n++) {
      const key = generateCredential(generateClientId(environment)).apiKey.reveal();
      for (const text of [key, `KEY="${key}"`, `https://x/?k=${key}&y`, `{"key":"${key}"}`, `a ${key}\nb`])
        expect(text.match(scanner)).toEqual([key]);
    }
  });

  it('finds nothing in ids, hints and shorter or other texts', () => {
    const id = generateClientId('live');
    for (const text of [
      id,
      `${id}_`,
      `${id}_${'a'.repeat(35)}`,
      `${id}-${'a'.repeat(36)}`,
      `cn_prod_${'a'.repeat(49)}`,
    ])
      expect(text.match(scanner)).toBeNull();
  });

  it('has the checksum that its test vectors show', () => {
    const lines = vectors.split('\n');
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) {
      expect(line.match(scanner)).toEqual([line]);
      expect(parseApiKey(line)).not.toBeNull();
    }
    expect(broken.match(scanner)).toEqual([broken]);
    expect(parseApiKey(broken)).toBeNull();
  });
});

describe('report', () => {
  const clientId = generateClientId('live');
  const credential = generateCredential(clientId);
  const key = credential.apiKey.reveal();
  const stored = { id: 'sec_1', hashedSecret: 'hash', hint: credential.hint, expiresAt: null };

  function setUp({ matches = true, hashed = true, revoked = true, refused = false } = {}) {
    const calls: string[] = [];
    const events: AuditEvent[] = [];
    const repository = {
      secretsOf: async () => {
        calls.push('read');
        return [stored];
      },
      revoke: async () => {
        calls.push('revoke');
        return revoked ? { version: '7', changeId: '70' } : null;
      },
    };
    const matcher = {
      match: async (_secrets: unknown, { attempt }: { attempt: typeof FREE_ATTEMPT }) => {
        await attempt.reserve(clientId);
        calls.push(`match from ${attempt.address}`);
        if (matches) attempt.succeeded();
        return { secret: matches ? stored : null, hashed };
      },
      spend: async () => calls.push('spend'),
    };
    const attempt = {
      ...FREE_ATTEMPT,
      reserve: async (subject: string) => {
        calls.push(`reserve ${subject}`);
        if (refused) throw new RateLimitedError('too many', 5);
      },
      succeeded: () => calls.push('succeeded'),
    };
    const args = [
      repository,
      { digest: () => 'digest' },
      matcher,
      { run: (work: (transaction: object) => unknown) => work({}) },
      { record: async (event: AuditEvent) => events.push(event) },
      { follow: async (change: object) => ({ propagation: 'complete', change }) },
      { now: () => 1_000 },
    ];
    const service = new LeakedKeysService(...(args as unknown as ConstructorParameters<typeof LeakedKeysService>));
    return { calls, events, report: (text = key) => service.report(text, attempt as never, SYSTEM_ORIGIN) };
  }

  it('pays, reads, compares, gives back what was paid, revokes and says so', async () => {
    const { report, calls, events } = setUp();
    expect(await report()).toEqual({
      clientId,
      hint: credential.hint,
      propagation: { propagation: 'complete', change: { clientId, version: '7', changeId: '70' } },
    });
    expect(calls).toEqual([`reserve ${clientId}`, 'read', 'match from 192.0.2.1', 'succeeded', 'revoke']);
    expect(events).toEqual([
      {
        action: 'secret.leaked',
        origin: SYSTEM_ORIGIN,
        subject: { type: 'secret', id: 'sec_1' },
        details: { client_id: clientId, hint: credential.hint },
      },
    ]);
  });

  it('asks nobody about what is no key', async () => {
    const { report, calls } = setUp();
    for (const text of ['', 'x', broken, `${key} `, key.slice(1)])
      await expect(report(text)).rejects.toThrow(InvalidRequestError);
    expect(calls).toEqual([]);
  });

  it('reads and hashes nothing once the budget is spent', async () => {
    const { report, calls } = setUp({ refused: true });
    await expect(report()).rejects.toThrow(RateLimitedError);
    expect(calls).toEqual([`reserve ${clientId}`]);
  });

  it.each([
    ['a wrong secret', { matches: false }, []],
    ['nothing to compare with', { matches: false, hashed: false }, ['spend']],
  ])('spends one hash on %s, and keeps what was paid', async (_what, options, spent) => {
    const { report, calls, events } = setUp(options);
    await expect(report()).rejects.toThrow(UnknownApiKeyError);
    expect(calls).toEqual([`reserve ${clientId}`, 'read', 'match from 192.0.2.1', ...spent]);
    expect(events).toEqual([]);
  });

  it('knows nothing any more of a key that another report has revoked meanwhile', async () => {
    const { report, events } = setUp({ revoked: false });
    await expect(report()).rejects.toMatchObject({ status: 404, code: 'unknown_api_key' });
    expect(events).toEqual([]);
  });
});
