import { DataSource } from 'typeorm';
import { generateClientId, randomDigits } from '../../src/identity/clients/api-key.js';
import { ClientEntity } from '../../src/identity/clients/client.entity.js';
import { ClientSecretEntity } from '../../src/identity/clients/client-secret.entity.js';
import {
  type ClientChanges,
  ClientsRepository,
  type ClientToInsert,
  type SecretToInsert,
} from '../../src/identity/clients/clients.repository.js';
import { CredentialFenceEntity } from '../../src/identity/clients/credential-fence.entity.js';
import { SecretUsesRepository } from '../../src/identity/clients/secret-uses.repository.js';
import { UserEntity } from '../../src/identity/users/user.entity.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { isDatabaseUnavailable } from '../../src/platform/database/database-error.js';
import { UNRESTRICTED } from '../support/attempts.js';
import { insertClient } from '../support/insert-client.js';
import { buildGrant, buildUser } from '../support/people.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ENTITIES = [UserEntity, ClientEntity, ClientSecretEntity, CredentialFenceEntity];
const UNKNOWN = 'cn_live_000000000000';

let database: TestDatabase;
let source: DataSource;
let clients: ClientsRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource({ ...servingOptions(database.url, 10), entities: ENTITIES }).initialize();
  clients = new ClientsRepository(source);
});

afterAll(async () => {
  await source?.destroy();
  await database?.drop();
});

const versionOf = async (clientId: string) => {
  const [row] = await database.query<{ version: string }>('SELECT version FROM clients WHERE client_id = $1', [
    clientId,
  ]);
  return BigInt(row?.version ?? -1);
};
const fenceOf = async (clientId: string) => {
  const rows = await database.query<{ version: string }>('SELECT version FROM credential_fences WHERE client_id = $1', [
    clientId,
  ]);
  return rows[0]?.version ?? null;
};
const newClient = (overrides: Partial<ClientEntity> = {}) => ({
  clientId: generateClientId('live'),
  name: 'a client',
  environment: 'live' as const,
  tier: 'paid',
  scopes: ['llm:invoke', 'logs:read'],
  expiresAt: null,
  ownerId: null,
  allowedAddresses: null,
  allowedModels: null,
  allowedProviders: null,
  ...overrides,
});
const insert = (client: ClientToInsert, secret: SecretToInsert) =>
  source.transaction((transaction) => clients.insert(client, secret, transaction));
const findForAuthentication = (clientId: string) => clients.findForAuthentication(clientId, new Date());
const newSecret = () => ({ id: `sec_${randomDigits(16)}`, hashedSecret: '$2b$04$hash', hint: 'ab12' });

describe('schema', () => {
  it('is the one the migration builds: TypeORM would change nothing', async () => {
    const { upQueries } = await source.driver.createSchemaBuilder().log();
    const ours = upQueries
      .map(({ query }) => query)
      .filter((query) => /clients|client_secrets|credential_fences/.test(query));
    expect(ours).toEqual([]);
  });

  it.each([
    ['environment', `UPDATE clients SET environment = 'prod'`, 'clients_environment_check'],
    ['status', `UPDATE clients SET status = 'paused'`, 'clients_status_check'],
  ])('takes no other %s', async (_column, sql, constraint) => {
    await insertClient(database);
    await expect(database.query(sql)).rejects.toMatchObject({ code: '23514', constraint });
  });
});

describe('the version', () => {
  it.each([
    ['the client', `UPDATE clients SET tier = 'free' WHERE client_id = $1`],
    ['the client, to what it was', 'UPDATE clients SET tier = tier WHERE client_id = $1'],
    ['the client, with an old version forced on it', 'UPDATE clients SET version = 1 WHERE client_id = $1'],
    ['the hash of a secret', `UPDATE client_secrets SET hashed_secret = 'x' WHERE client_id = $1`],
    ['the end of a secret', 'UPDATE client_secrets SET expires_at = now() WHERE client_id = $1'],
    ['that a secret was revoked', 'UPDATE client_secrets SET revoked_at = now() WHERE client_id = $1'],
    ['a secret away', 'DELETE FROM client_secrets WHERE client_id = $1'],
    ['a secret more', `INSERT INTO client_secrets (id, client_id, hashed_secret, hint) SELECT 'more', $1, 'h', 'hint'`],
  ])('rises when SQL changes %s', async (_what, sql) => {
    const { clientId } = await insertClient(database);
    const { clientId: other } = await insertClient(database);
    const [before, otherBefore] = [await versionOf(clientId), await versionOf(other)];
    await database.query(sql, [clientId]);
    expect(await versionOf(clientId)).toBeGreaterThan(before);
    expect(await versionOf(other)).toBe(otherBefore);
  });

  it('stays when a secret was merely used, which is noted and never turned back', async () => {
    const { clientId } = await insertClient(database);
    const before = await versionOf(clientId);
    const uses = new SecretUsesRepository(source);
    const lastUse = async () => (await clients.find(clientId))?.secrets[0];
    const secretId = (await clients.find(clientId))?.secrets[0]?.id ?? '';
    const late = {
      lastUsedAt: new Date('2026-01-01T00:00:00.002Z'),
      lastUsedAddress: '192.0.2.2',
      lastUsedUserAgent: 'b',
    };
    expect(await lastUse()).toMatchObject({ lastUsedAt: null, lastUsedAddress: null, lastUsedUserAgent: null });
    await uses.record([{ secretId, usedAt: late.lastUsedAt, address: '192.0.2.2', userAgent: 'b' }]);
    await uses.record([
      { secretId, usedAt: new Date('2026-01-01T00:00:00.001Z'), address: '192.0.2.1', userAgent: 'a' },
    ]);
    expect(await lastUse()).toMatchObject(late);
    expect(await versionOf(clientId)).toBe(before);
  });

  it('rises for both owners when a secret changes hands', async () => {
    const [from, to] = [await insertClient(database), await insertClient(database)];
    const [fromBefore, toBefore] = [await versionOf(from.clientId), await versionOf(to.clientId)];
    await database.query('UPDATE client_secrets SET client_id = $1 WHERE client_id = $2', [to.clientId, from.clientId]);
    expect(await versionOf(from.clientId)).toBeGreaterThan(fromBefore);
    expect(await versionOf(to.clientId)).toBeGreaterThan(toBefore);
  });

  it('rises for everybody when the secrets are truncated', async () => {
    const { clientId } = await insertClient(database);
    const before = await versionOf(clientId);
    await database.query('TRUNCATE client_secrets');
    expect(await versionOf(clientId)).toBeGreaterThan(before);
  });

  it('of an id deleted and made again is above every one before', async () => {
    const { clientId } = await insertClient(database);
    const removed = await clients.remove(clientId, () => undefined);
    await insertClient(database, { clientId });
    expect(await versionOf(clientId)).toBeGreaterThan(BigInt(removed?.version ?? 0));
  });

  it('is never the same for two changes, however many run at once', async () => {
    const { clientId } = await insertClient(database);
    const changes = await Promise.all(
      Array.from({ length: 60 }, (_, n) => clients.change(clientId, () => ({ name: `name ${n}` }))),
    );
    const versions = changes.map((change) => BigInt(change?.version ?? 0));
    expect(new Set(versions).size).toBe(60);
    const last = versions.toSorted((a, b) => (a < b ? -1 : 1)).at(-1);
    expect(await versionOf(clientId)).toBe(last);
    expect(await fenceOf(clientId)).toBe(String(last));
  });
});

describe('insert', () => {
  it('stores the client and its secret, and gives them back without the hash', async () => {
    const [client, secret] = [newClient(), newSecret()];
    const stored = await insert(client, secret);
    expect(stored).toMatchObject({ ...client, status: 'active' });
    expect(stored.secrets).toEqual([
      expect.objectContaining({ id: secret.id, hint: 'ab12', expiresAt: null, lastUsedAt: null }),
    ]);
    expect(JSON.stringify(stored)).not.toContain(secret.hashedSecret);
    expect(stored.updatedAt).toEqual(stored.createdAt);
  });

  it('stores neither when one cannot be stored', async () => {
    const secret = newSecret();
    await insert(newClient(), secret);
    const second = newClient();
    await expect(insert(second, secret)).rejects.toMatchObject({ code: '23505' });
    expect(await clients.find(second.clientId)).toBeNull();
  });
});

describe('findForAuthentication', () => {
  it('gives the client with its hashes', async () => {
    const expiresAt = new Date('2031-02-03T04:05:06.789Z');
    const [client, secret] = [newClient({ expiresAt }), newSecret()];
    await insert(client, secret);
    expect(await findForAuthentication(client.clientId)).toEqual({
      clientId: client.clientId,
      version: String(await versionOf(client.clientId)),
      status: 'active',
      tier: 'paid',
      scopes: client.scopes,
      expiresAt: expiresAt.getTime(),
      owner: null,
      ...UNRESTRICTED,
      tokens: { epoch: '0.0', revoked: [] },
      usedFrom: [],
      secrets: [{ id: secret.id, hashedSecret: secret.hashedSecret, hint: 'ab12', expiresAt: null }],
    });
  });

  it('gives the owner with its status and what is granted to it and has not ended', async () => {
    const owner = await buildUser(database, { roles: ['viewer'] });
    const scope = { type: 'resource', resource: 'users', id: 'usr_1' } as const;
    const conditions = { cidr: ['192.0.2.0/24'] };
    const expiresAt = new Date('2031-02-03T04:05:06.789Z');
    const limited = { role: 'operator', effect: 'deny', scope, conditions, expiresAt } as const;
    const grantId = await buildGrant(database, owner.id, limited);
    const never = await buildGrant(database, owner.id, { role: 'billing' });
    await database.query(`UPDATE grants SET expires_at = 'infinity' WHERE id = $1`, [never]);
    const ended = await buildGrant(database, owner.id, { role: 'admin', expiresAt: new Date(Date.now() - 1) });
    const { clientId } = await insertClient(database, { ownerId: owner.id });
    const found = (await findForAuthentication(clientId))?.owner;
    expect(found).toMatchObject({ userId: owner.id, status: 'active' });
    const grants = new Map(found?.grants.map((grant) => [grant.id, grant]));
    expect(grants.size).toBe(3);
    expect(grants.has(ended)).toBe(false);
    expect(grants.get(never)?.expiresAt).toBeNull();
    expect(grants.get(grantId)).toEqual({
      id: grantId,
      roleId: expect.stringMatching(/^rol_/),
      effect: 'deny',
      scope,
      conditions,
      expiresAt: expiresAt.getTime(),
    });
    await database.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.id]);
    await database.query('DELETE FROM grants WHERE user_id = $1', [owner.id]);
    expect((await findForAuthentication(clientId))?.owner).toEqual({
      userId: owner.id,
      status: 'suspended',
      grants: [],
    });
  });

  it('gives a client without secrets as such, and null for one that is not there', async () => {
    const { clientId } = await insertClient(database);
    await database.query('DELETE FROM client_secrets WHERE client_id = $1', [clientId]);
    expect((await findForAuthentication(clientId))?.secrets).toEqual([]);
    expect(await findForAuthentication(UNKNOWN)).toBeNull();
  });

  it('leaves out the secrets that have ended, however many are still listed', async () => {
    const { clientId } = await insertClient(database);
    await database.query(
      `INSERT INTO client_secrets (id, client_id, hashed_secret, hint, expires_at, revoked_at)
       VALUES ('ended', $1, 'h', 'hint', now() - interval '1 second', NULL),
              ('revoked', $1, 'h', 'hint', NULL, now()), ('ending', $1, 'h', 'hint', now() + interval '1 hour', NULL)`,
      [clientId],
    );
    const ids = (await findForAuthentication(clientId))?.secrets.map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(ids).toContain('ending');
  });

  it('takes ids by their bytes', async () => {
    await insertClient(database, { clientId: 'cn_live_abcdefghijkl' });
    expect(await findForAuthentication('cn_live_abcdefghijkl')).not.toBeNull();
    for (const other of [
      'cn_live_ABCDEFGHIJKL',
      'cn_live_abcdefghijkl ',
      ' cn_live_abcdefghijkl',
      'cn_live_abcdefghijkL',
    ])
      expect(await findForAuthentication(other)).toBeNull();
  });

  it('is one statement, and so of one moment', async () => {
    const { clientId } = await insertClient(database);
    const statements: string[] = [];
    const logged = await new DataSource({
      ...servingOptions(database.url, 2),
      entities: ENTITIES,
      logging: ['query'],
      logger: {
        logQuery: (sql: string) => statements.push(sql),
        logQueryError: () => undefined,
        logQuerySlow: () => undefined,
        logSchemaBuild: () => undefined,
        logMigration: () => undefined,
        log: () => undefined,
      },
    }).initialize();
    statements.length = 0;
    await new ClientsRepository(logged).findForAuthentication(clientId, new Date());
    await logged.destroy();
    expect(statements).toHaveLength(1);
  });

  it.each([
    ['refuses', (proxy: TcpProxy) => proxy.refuse()],
    ['answers nothing', async (proxy: TcpProxy) => proxy.blackHole()],
  ])('rejects in bounded time when PostgreSQL %s', async (_how, breakIt) => {
    const proxy = await TcpProxy.start(database.url);
    const options = { ...servingOptions(proxy.through(database.url), 2), entities: ENTITIES };
    const far = await new DataSource(options).initialize();
    try {
      const repository = new ClientsRepository(far);
      expect(await repository.findForAuthentication(UNKNOWN, new Date())).toBeNull();
      await breakIt(proxy);
      const started = performance.now();
      const error = await repository.findForAuthentication(UNKNOWN, new Date()).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(isDatabaseUnavailable(error)).toBe(true);
      expect(performance.now() - started).toBeLessThan(4_500);
    } finally {
      await proxy.stop();
      await far.destroy();
    }
  });
});

describe('change', () => {
  it('writes the change, the version and the fence in one transaction', async () => {
    const { clientId } = await insertClient(database);
    const before = await versionOf(clientId);
    const expiresAt = new Date('2031-01-01T00:00:00.000Z');
    const changed = await clients.change(clientId, () => ({ scopes: [], status: 'disabled', expiresAt }));
    expect(changed?.client).toMatchObject({ scopes: [], status: 'disabled', expiresAt, tier: 'paid' });
    expect(BigInt(changed?.version ?? 0)).toBeGreaterThan(before);
    expect(await versionOf(clientId)).toBe(BigInt(changed?.version ?? 0));
    expect(await fenceOf(clientId)).toBe(changed?.version);
  });

  it('does nothing when the decision throws', async () => {
    const { clientId } = await insertClient(database);
    const before = await versionOf(clientId);
    const refuse = () => {
      throw new Error('no');
    };
    await expect(clients.change(clientId, refuse)).rejects.toThrow('no');
    await expect(clients.remove(clientId, refuse)).rejects.toThrow('no');
    expect(await versionOf(clientId)).toBe(before);
    expect(await fenceOf(clientId)).toBeNull();
  });

  it('decides on what the change before it left, never on an older state', async () => {
    const { clientId } = await insertClient(database, { scopes: [] });
    const give = (scope: string) =>
      clients.change(clientId, ({ scopes }): ClientChanges => ({ scopes: [...scopes, scope] }));
    const names = Array.from({ length: 30 }, (_, n) => `s${n}`);
    await Promise.all(names.map(give));
    expect((await clients.find(clientId))?.scopes.toSorted()).toEqual(names.toSorted());
  });

  it('is null for a client that is not there, and leaves no fence', async () => {
    expect(await clients.change(UNKNOWN, () => ({ name: 'x' }))).toBeNull();
    expect(await clients.remove(UNKNOWN, () => undefined)).toBeNull();
    expect(await fenceOf(UNKNOWN)).toBeNull();
  });
});

it('an end by SQL of infinity is none, and one of minus infinity long past', async () => {
  const [open, past] = [await insertClient(database), await insertClient(database)];
  const setEnd = (end: string, clientId: string) =>
    database.query(`UPDATE clients SET expires_at = '${end}' WHERE client_id = $1`, [clientId]);
  await setEnd('infinity', open.clientId);
  await setEnd('-infinity', past.clientId);
  await database.query(`UPDATE client_secrets SET expires_at = 'infinity'`);
  expect(await clients.findForAuthentication(open.clientId, new Date())).toMatchObject({
    expiresAt: null,
    secrets: [{ expiresAt: null }],
  });
  expect((await clients.find(open.clientId))?.expiresAt).toBeNull();
  expect(await clients.findForAuthentication(past.clientId, new Date())).toMatchObject({ expiresAt: 0 });
});

describe('remove', () => {
  it('deletes the client and its secrets, and leaves a fence above every version', async () => {
    const { clientId } = await insertClient(database);
    const before = await versionOf(clientId);
    const { version } = (await clients.remove(clientId, () => undefined)) ?? {};
    expect(BigInt(version ?? 0)).toBeGreaterThan(before);
    expect(await clients.find(clientId)).toBeNull();
    expect(await database.query('SELECT 1 FROM client_secrets WHERE client_id = $1', [clientId])).toEqual([]);
    expect(await fenceOf(clientId)).toBe(version);
  });

  it('happens once, however many ask at once', async () => {
    const { clientId } = await insertClient(database);
    const removed = await Promise.all(Array.from({ length: 20 }, () => clients.remove(clientId, () => undefined)));
    expect(removed.filter((version) => version !== null)).toHaveLength(1);
  });

  it('keeps the client when the fence cannot be written', async () => {
    const { clientId } = await insertClient(database);
    await database.query('ALTER TABLE credential_fences RENAME TO elsewhere');
    try {
      await expect(clients.remove(clientId, () => undefined)).rejects.toMatchObject({ code: '42P01' });
    } finally {
      await database.query('ALTER TABLE elsewhere RENAME TO credential_fences');
    }
    expect(await clients.find(clientId)).not.toBeNull();
  });
});

describe('a client of a user', () => {
  it('takes a new version and leaves word in the outbox whenever the user, or a grant of theirs, changes', async () => {
    const owner = await buildUser(database);
    const [own, other] = [await insertClient(database, { ownerId: owner.id }), await insertClient(database)];
    const changes = [
      () => buildGrant(database, owner.id, { role: 'viewer' }),
      () => database.query(`UPDATE grants SET effect = 'deny' WHERE user_id = $1`, [owner.id]),
      () => database.query('DELETE FROM grants WHERE user_id = $1', [owner.id]),
      () => database.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.id]),
      () => database.query(`UPDATE users SET tier = 'free' WHERE id = $1`, [owner.id]),
    ];
    const untouched = await versionOf(other.clientId);
    for (const change of changes) {
      const before = await versionOf(own.clientId);
      await change();
      const after = await versionOf(own.clientId);
      expect(after).toBeGreaterThan(before);
      expect(await fenceOf(own.clientId)).toBe(String(after));
    }
    expect(await versionOf(other.clientId)).toBe(untouched);
    expect(await fenceOf(other.clientId)).toBeNull();
  });

  it('is found by its owner alone where one is asked for, to be read, changed or removed', async () => {
    const [owner, stranger] = [await buildUser(database), await buildUser(database)];
    const { clientId } = await insertClient(database, { ownerId: owner.id });
    expect(await clients.find(clientId, stranger.id)).toBeNull();
    expect(await clients.change(clientId, () => ({ name: 'taken' }), undefined, stranger.id)).toBeNull();
    expect(await clients.remove(clientId, () => undefined, undefined, stranger.id)).toBeNull();
    expect(await clients.find(clientId, owner.id)).toMatchObject({ clientId, name: 'test', ownerId: owner.id });
    expect(await clients.remove(clientId, () => undefined, undefined, owner.id)).not.toBeNull();
  });

  it('keeps its owner from being deleted in SQL, so that no key is left that nobody bounds', async () => {
    const owner = await buildUser(database);
    await insertClient(database, { ownerId: owner.id });
    await expect(database.query('DELETE FROM users WHERE id = $1', [owner.id])).rejects.toMatchObject({
      code: '23503',
    });
  });
});

describe('the outbox', () => {
  beforeEach(() => database.query('DELETE FROM credential_fences'));

  it('hands out the longest waiting first, as many as asked for', async () => {
    const ids = [];
    for (let n = 0; n < 3; n++) {
      const { clientId } = await insertClient(database);
      await clients.remove(clientId, () => undefined);
      await database.query(
        `UPDATE credential_fences SET created_at = now() - interval '1 minute' * $2 WHERE client_id = $1`,
        [clientId, 3 - n],
      );
      ids.push(clientId);
    }
    expect((await clients.pendingFences(2)).map(({ clientId }) => clientId)).toEqual(ids.slice(0, 2));
  });

  it('is emptied by several at once while a user with many keys changes: nobody is in the other’s way', async () => {
    const owner = await buildUser(database);
    for (let made = 0; made < 40; made++) await insertClient(database, { ownerId: owner.id });
    const change = () => source.query('UPDATE users SET name = $1 WHERE id = $2', ['renamed', owner.id]);
    const carry = async (turn: number) => {
      const fences = await clients.pendingFences(500);
      await clients.removeFences(turn % 2 === 0 ? fences : fences.toReversed());
    };
    const work = Array.from({ length: 60 }, (_, turn) => [change(), carry(turn), carry(turn + 1)]).flat();
    await expect(Promise.all(work)).resolves.toHaveLength(180);
    await carry(0);
    expect(await clients.pendingFences(500)).toEqual([]);
  });

  it('leaves rows that somebody holds for the next time, and waits for nobody', async () => {
    const [held, free] = [await insertClient(database), await insertClient(database)];
    for (const { clientId } of [held, free]) await clients.change(clientId, () => ({ name: 'changed' }));
    const fences = await clients.pendingFences(500);
    await source.transaction(async (holding) => {
      await holding.query('SELECT 1 FROM credential_fences WHERE client_id = $1 FOR UPDATE', [held.clientId]);
      await clients.removeFences(fences);
      expect([(await fenceOf(held.clientId)) === null, (await fenceOf(free.clientId)) === null]).toEqual([false, true]);
    });
    await clients.removeFences(fences);
    expect(await fenceOf(held.clientId)).toBeNull();
  });

  it('keeps the later version when an earlier one was carried', async () => {
    const { clientId } = await insertClient(database);
    const first = await clients.change(clientId, () => ({ name: 'one' }));
    const second = await clients.change(clientId, () => ({ name: 'two' }));
    await clients.removeFences([{ clientId, version: first?.version ?? '' }]);
    expect(await fenceOf(clientId)).toBe(second?.version);
    await clients.removeFences([{ clientId, version: second?.version ?? '' }]);
    expect(await fenceOf(clientId)).toBeNull();
  });
});
