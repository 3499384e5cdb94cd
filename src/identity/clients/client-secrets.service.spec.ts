import {
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  TooManySecretsError,
} from '../../kernel/app-error.js';
import type { Secret } from '../../kernel/secret.js';
import { parseApiKey } from './api-key.js';
import type { Client, ClientSecret } from './client-rows.repository.js';
import type { Rotation } from './client-secrets.repository.js';
import { ClientSecretsService } from './client-secrets.service.js';
import { type Grantor, OPERATOR } from './grantor.js';
import type { CredentialChange } from './revocations.js';

const NOW = Date.UTC(2026, 0, 1);
const ID = 'cn_live_0123456789AB';
const UNLISTED = { allowedAddresses: null, allowedModels: null, allowedProviders: null };
const ADMIN: Grantor = OPERATOR;
const WRITER: Grantor = { ...OPERATOR, scopes: ['clients:write'] };

const secretEndingAt = (end: number | null, id = 'sec_1') =>
  ({ id, hint: 'abcd', expiresAt: end === null ? null : new Date(end) }) as ClientSecret;
const clientWith = (...secrets: ClientSecret[]) =>
  ({ ...UNLISTED, clientId: ID, scopes: ['llm:invoke'], secrets }) as unknown as Client;

/** The service over a store of one client, telling what it asked of the others. */
function setUp(stored: Client | null = clientWith(secretEndingAt(null))) {
  const rotations: Rotation[] = [];
  const calls: string[] = [];
  const repository = {
    rotate: async (_transaction: object, _id: string, rotation: Rotation, decide: (current: Client) => void) => {
      if (stored === null) return null;
      decide(stored);
      rotations.push(rotation);
      return { createdAt: new Date(NOW), previous: [], version: '7', changeId: '70' };
    },
    remove: async (_transaction: object, clientId: string, id: string, decide: (current: Client) => void) => {
      if (stored === null) return null;
      decide(stored);
      const secret = stored.secrets.find((each) => each.id === id);
      return secret === undefined ? null : { clientId, secret, version: '8', changeId: '80' };
    },
  };
  const hasher = {
    hash: async (secret: Secret) => {
      calls.push('hash');
      return `hash of ${secret.reveal().length}`;
    },
  };
  const revocations = {
    follow: async ({ clientId, version, changeId }: CredentialChange) => {
      calls.push(`follow ${clientId} ${version} ${changeId}`);
      return { propagation: 'complete' };
    },
  };
  const audit = { record: async ({ action }: { action: string }) => void calls.push(action) };
  const transactions = { run: (work: (transaction: object) => unknown) => work({}) };
  const args = [repository, hasher, revocations, { now: () => NOW }, audit, transactions];
  const service = new ClientSecretsService(...(args as unknown as ConstructorParameters<typeof ClientSecretsService>));
  return { service, rotations, calls };
}

const overlapOf = (expirePreviousInSeconds: number) => ({
  expirePreviousInSeconds,
  expiresAt: null,
  finishWhenIdle: false,
});

describe('rotate', () => {
  it('stores the hash of a secret of the client, recorded in the same transaction', async () => {
    const { service, rotations, calls } = setUp();
    const { credential, id } = await service.rotate(ADMIN, ID, overlapOf(60));
    expect(parseApiKey(credential.apiKey.reveal())?.clientId).toBe(ID);
    expect(rotations).toEqual([
      {
        secret: { id, hashedSecret: 'hash of 30', hint: credential.hint, expiresAt: null },
        now: new Date(NOW),
        previousEnd: new Date(NOW + 60_000),
        finishWhenIdle: false,
      },
    ]);
    expect(calls).toEqual(['hash', 'secret.create']);
  });

  it('passes on an end and the wish to finish early', async () => {
    const { service, rotations } = setUp();
    const expiresAt = new Date(NOW + 1);
    const rotated = await service.rotate(ADMIN, ID, { expirePreviousInSeconds: 0, expiresAt, finishWhenIdle: true });
    expect(rotated.expiresAt).toEqual(expiresAt);
    expect(rotations[0]).toMatchObject({ secret: { expiresAt }, previousEnd: new Date(NOW), finishWhenIdle: true });
  });

  it.each([
    [4, [null, null, NOW + 1, NOW + 1], 1, true],
    [5, [null, null, null, NOW + 1, NOW + 1], 1, false],
    [5, [null, null, null, null, NOW], 1, true],
    [5, [null, null, null, null, NOW + 1], 0, true],
  ])('beside %d secrets that end at %j, overlap %d: %s', async (_count, ends, overlap, allowed) => {
    const { service } = setUp(clientWith(...ends.map((end) => secretEndingAt(end))));
    const rotating = service.rotate(ADMIN, ID, overlapOf(overlap));
    if (allowed) await expect(rotating).resolves.toMatchObject({ version: '7' });
    else await expect(rotating).rejects.toThrow(TooManySecretsError);
  });

  it.each([NOW, NOW - 1])('refuses an end that is not to come, before it hashes', async (end) => {
    const { service, calls } = setUp();
    const input = { ...overlapOf(0), expiresAt: new Date(end) };
    await expect(service.rotate(ADMIN, ID, input)).rejects.toThrow(InvalidRequestError);
    expect(calls).toEqual([]);
  });

  it('finds no client where there is none, and hashes nothing for what is no id', async () => {
    const { service, calls } = setUp(null);
    await expect(service.rotate(ADMIN, 'nonsense', overlapOf(0))).rejects.toThrow(NotFoundError);
    expect(calls).toEqual([]);
    await expect(service.rotate(ADMIN, ID, overlapOf(0))).rejects.toThrow(NotFoundError);
  });

  it('lets nobody make a secret for who holds more', async () => {
    const { service, rotations } = setUp();
    await expect(service.rotate(WRITER, ID, overlapOf(0))).rejects.toThrow(PermissionDeniedError);
    expect(rotations).toEqual([]);
  });
});

describe('follow', () => {
  it('sees a rotation through', async () => {
    const { service, calls } = setUp();
    expect(await service.follow(ID, { version: '7', changeId: '70' })).toEqual({ propagation: 'complete' });
    expect(calls).toEqual([`follow ${ID} 7 70`]);
  });
});

describe('revoke', () => {
  it('records it and sees it through', async () => {
    const { service, calls } = setUp();
    expect(await service.revoke(ADMIN, ID, 'sec_1')).toEqual({ propagation: 'complete' });
    expect(calls).toEqual(['secret.revoke', `follow ${ID} 8 80`]);
  });

  it.each([
    ['no id', 'nonsense', 'sec_1'],
    ['another secret', ID, 'sec_2'],
  ])('finds nothing for %s', async (_what, clientId, secretId) => {
    const { service, calls } = setUp();
    await expect(service.revoke(ADMIN, clientId, secretId)).rejects.toThrow(NotFoundError);
    expect(calls).toEqual([]);
  });

  it('lets nobody end a secret of who holds more', async () => {
    const { service, calls } = setUp();
    await expect(service.revoke(WRITER, ID, 'sec_1')).rejects.toThrow(PermissionDeniedError);
    expect(calls).toEqual([]);
  });
});
