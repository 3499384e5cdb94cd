import { inspect } from 'node:util';
import { needsRehash, SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import { ServiceUnavailableError } from '../../src/kernel/app-error.js';
import { Secret } from '../../src/kernel/secret.js';
import { buildSettings } from '../support/build-settings.js';

describe('SecretHasher', () => {
  const hashers: SecretHasher[] = [];
  const buildHasher = (overrides: Record<string, string> = {}) => {
    const hasher = new SecretHasher(buildSettings(overrides));
    hashers.push(hasher);
    return hasher;
  };
  const secret = new Secret('s'.repeat(30));

  afterEach(async () => {
    await Promise.all(hashers.splice(0).map((hasher) => hasher.onApplicationShutdown()));
  });

  it('makes bcrypt hashes at BCRYPT_COST that match their secret and no other', async () => {
    const hasher = buildHasher({ BCRYPT_COST: '5' });
    const hash = await hasher.hash(secret);
    expect(hash).toMatch(/^\$2b\$05\$/);
    await expect(hasher.matches(secret, hash)).resolves.toBe(true);
    await expect(hasher.matches(new Secret(`${'s'.repeat(29)}t`), hash)).resolves.toBe(false);
  });

  it('hashes at another cost where it is told one, and says when a hash is of another', async () => {
    const hasher = buildHasher({ BCRYPT_COST: '4' });
    const hash = await hasher.hash(secret, 5);
    expect(hash).toMatch(/^\$2b\$05\$/);
    await expect(hasher.matches(secret, hash)).resolves.toBe(true);
    expect([needsRehash(hash, 5), needsRehash(hash, 4), needsRehash('x', 5)]).toEqual([false, true, true]);
    await expect(hasher.spendAsIfMatching(new Secret(''), 5)).resolves.toBe(false);
  });

  it('never matches what it spends on an unknown id, not even nothing', async () => {
    const hasher = buildHasher();
    await expect(hasher.spendAsIfMatching(secret)).resolves.toBe(false);
    await expect(hasher.spendAsIfMatching(new Secret(''))).resolves.toBe(false);
  });

  it('refuses with 503 what no longer fits the queue, and works off what did', async () => {
    const hasher = buildHasher({ BCRYPT_THREADS: '1', BCRYPT_QUEUE: '5', BCRYPT_COST: '8' });
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => hasher.hash(secret)));
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(refusals.length).toBeGreaterThanOrEqual(90);
    expect(outcomes.length - refusals.length).toBeGreaterThanOrEqual(5);
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(ServiceUnavailableError);
    expect(refusals[0]).toMatchObject({ status: 503, retryAfterSeconds: 1 });
    await expect(hasher.hash(secret)).resolves.toMatch(/^\$2b\$/);
  });

  it('refuses to hash more than bcrypt reads', async () => {
    const hasher = buildHasher();
    expect(() => hasher.hash(new Secret('x'.repeat(73)))).toThrow('longer than bcrypt reads');
  });

  it('holds no secret in the error of a job that failed', async () => {
    const hasher = buildHasher();
    const failure = await hasher.matches(new Secret('canary'), 5 as unknown as string).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(inspect(failure, { depth: null, showHidden: true })).not.toContain('canary');
  });
});
