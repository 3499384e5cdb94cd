import { DataSource } from 'typeorm';
import { randomDigits } from '../../src/identity/clients/api-key.js';
import { ClientEntity } from '../../src/identity/clients/client.entity.js';
import { ClientSecretEntity } from '../../src/identity/clients/client-secret.entity.js';
import { type ClientSortKey, ClientsListRepository } from '../../src/identity/clients/clients-list.repository.js';
import { SecretUsesRepository } from '../../src/identity/clients/secret-uses.repository.js';
import { UserEntity } from '../../src/identity/users/user.entity.js';
import { ServiceUnavailableError } from '../../src/kernel/app-error.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import type { ListQuery } from '../../src/platform/http/list-query.js';
import { buildSettings } from '../support/build-settings.js';
import { insertClient } from '../support/insert-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const HOUR_MS = 3_600_000;

let database: TestDatabase;
let source: DataSource;
let lists: ClientsListRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  const entities = [UserEntity, ClientEntity, ClientSecretEntity];
  source = await new DataSource({ ...servingOptions(database.url, 10), entities }).initialize();
  lists = new ClientsListRepository(new ReadDatabase(buildSettings(), source));
});

afterAll(async () => {
  await source?.destroy();
  await database?.drop();
});

const query = (overrides: Partial<ListQuery<ClientSortKey>> = {}): ListQuery<ClientSortKey> => ({
  limit: 50,
  sort: 'created_at',
  descending: false,
  after: null,
  filters: {},
  ...overrides,
});
const names = async (overrides: Partial<ListQuery<ClientSortKey>>) =>
  (await lists.list(query(overrides))).map(({ name }) => name);
const found = async (filters: Record<string, string | Date>) => (await names({ filters })).toSorted();
const fromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MS);

describe('list', () => {
  const START = Date.UTC(2026, 0, 1);

  beforeAll(async () => {
    await database.query('DELETE FROM clients');
    // Three of each moment, so that pages end between rows of one time; names with bytes that collations disagree on.
    const made = ['a', 'B', 'b', 'é', 'Z', 'z', '_', '10', '9'];
    for (const [index, name] of made.entries()) {
      await insertClient(database, {
        name,
        createdAt: new Date(START + Math.floor(index / 3)),
        tier: index % 2 === 0 ? 'paid' : 'free',
        status: index === 4 ? 'disabled' : 'active',
        environment: index < 2 ? 'test' : 'live',
      });
    }
  });

  it.each([
    ['created_at', false],
    ['created_at', true],
    ['name', false],
    ['name', true],
  ] as const)('pages by %s (descending: %s): each row once, none left out', async (sort, descending) => {
    const whole = await lists.list(query({ sort, descending }));
    expect(whole).toHaveLength(9);
    const paged: string[] = [];
    let after: ListQuery<ClientSortKey>['after'] = null;
    do {
      const rows = await lists.list(query({ sort, descending, limit: 2, after }));
      const shown = rows.slice(0, 2);
      paged.push(...shown.map(({ clientId }) => clientId));
      const last = shown.at(-1);
      after =
        rows.length > 2 && last ? [sort === 'name' ? last.name : last.createdAt.toISOString(), last.clientId] : null;
    } while (after !== null);
    expect(paged).toEqual(whole.map(({ clientId }) => clientId));
  });

  it('sorts names by their bytes, whatever the locale of the database', async () => {
    expect(await names({ sort: 'name' })).toEqual(['10', '9', 'B', 'Z', '_', 'a', 'b', 'z', 'é']);
  });

  it.each([
    [{ status: 'disabled' }, ['Z']],
    [{ tier: 'free' }, ['B', 'é', 'z', '10']],
    [{ environment: 'test', tier: 'paid' }, ['a']],
    [{ name: 'é' }, ['é']],
    [{ name: `' OR true --` }, []],
    [{ created_after: new Date(START + 1) }, ['_', '10', '9']],
    [{ created_before: new Date(START + 1) }, ['a', 'B', 'b']],
  ] as const)('filters by %j', async (filters, expected) => {
    expect((await names({ filters })).toSorted()).toEqual(expected.toSorted());
  });

  it('gives each client its own secrets', async () => {
    const listed = await lists.list(query());
    const rows = await database.query<{ id: string; client_id: string }>('SELECT id, client_id FROM client_secrets');
    const owners = new Map(rows.map(({ id, client_id }) => [id, client_id]));
    for (const { clientId, secrets } of listed) {
      expect(secrets).toHaveLength(1);
      expect(owners.get(secrets[0]?.id ?? '')).toBe(clientId);
    }
  });
});

describe('expiring_before', () => {
  const addSecret = (clientId: string, expiresAt: Date | null) =>
    database.query(
      'INSERT INTO client_secrets (id, client_id, hashed_secret, hint, expires_at) VALUES ($1, $2, $3, $4, $5)',
      [randomDigits(16), clientId, '$2b$04$hash', 'ab12', expiresAt],
    );

  beforeAll(async () => {
    await database.query('DELETE FROM clients');
    await insertClient(database, { name: 'endless' });
    await insertClient(database, { name: 'ended', expiresAt: fromNow(-1) });
    await insertClient(database, { name: 'client ends', expiresAt: fromNow(5) });
    await insertClient(database, { name: 'secret ends', secretExpiresAt: fromNow(5) });
    await insertClient(database, { name: 'secret ends first', expiresAt: fromNow(50), secretExpiresAt: fromNow(5) });
    await insertClient(database, { name: 'client ends first', expiresAt: fromNow(5), secretExpiresAt: fromNow(50) });
    const rotated = await insertClient(database, { name: 'rotated', secretExpiresAt: fromNow(5) });
    await addSecret(rotated.clientId, null);
    const both = await insertClient(database, { name: 'both secrets end', secretExpiresAt: fromNow(5) });
    await addSecret(both.clientId, fromNow(20));
  });

  it('finds who ends by then, with its own end or the last of its secrets', async () => {
    const soon = ['client ends', 'client ends first', 'secret ends', 'secret ends first'];
    expect(await found({ expiring_before: fromNow(4) })).toEqual([]);
    expect(await found({ expiring_before: fromNow(6) })).toEqual(soon);
    expect(await found({ expiring_before: fromNow(100) })).toEqual(['both secrets end', ...soon]);
  });

  it('follows every change, by hand too', async () => {
    const { clientId } = await insertClient(database, { name: 'moving' });
    const isFound = async () => (await found({ expiring_before: fromNow(6) })).includes('moving');
    const steps: [string, boolean][] = [
      [`UPDATE clients SET expires_at = now() + interval '5 hours'`, true],
      [`UPDATE clients SET expires_at = NULL`, false],
      [`UPDATE client_secrets SET expires_at = now() + interval '5 hours'`, true],
      [
        `INSERT INTO client_secrets (id, client_id, hashed_secret, hint) SELECT 'x', client_id, 'h', 'ab12' FROM clients`,
        false,
      ],
      [`DELETE FROM client_secrets`, true],
      [`UPDATE client_secrets SET expires_at = NULL`, false],
    ];
    for (const [sql, expected] of steps) {
      await database.query(`${sql} WHERE client_id = $1 ${sql.startsWith('DELETE') ? "AND id = 'x'" : ''}`, [clientId]);
      expect([sql, await isFound()]).toEqual([sql, expected]);
    }
    await database.query('DELETE FROM clients WHERE client_id = $1', [clientId]);
  });
});

describe('unused_since', () => {
  let uses: SecretUsesRepository;
  const use = (secretId: string, usedAt: Date) =>
    uses.record([{ secretId, usedAt, address: '192.0.2.7', userAgent: null }]);
  const secretOf = async (clientId: string) => {
    const [row] = await database.query<{ id: string }>('SELECT id FROM client_secrets WHERE client_id = $1', [
      clientId,
    ]);
    return String(row?.id);
  };
  const clientOf = async (clientId: string) => {
    const sql = 'SELECT version, updated_at, last_used_at FROM clients WHERE client_id = $1';
    const [row] = await database.query<{ version: string; updated_at: Date; last_used_at: Date | null }>(sql, [
      clientId,
    ]);
    return row;
  };

  beforeAll(async () => {
    uses = new SecretUsesRepository(source);
    await database.query('DELETE FROM clients');
    for (const [name, hours] of [
      ['of yesterday', -24],
      ['of last week', -168],
      ['of now', 0],
    ] as const)
      await use(await secretOf((await insertClient(database, { name })).clientId), fromNow(hours));
    await insertClient(database, { name: 'never used' });
  });

  it('finds of whom no secret was used at or after that time', async () => {
    expect(await found({ unused_since: fromNow(-1) })).toEqual(['never used', 'of last week', 'of yesterday']);
    expect(await found({ unused_since: fromNow(-48) })).toEqual(['never used', 'of last week']);
    expect(await found({ unused_since: fromNow(-200) })).toEqual(['never used']);
  });

  it('is exact, though the client itself is noted once an hour', async () => {
    const { clientId } = await insertClient(database, { name: 'busy' });
    const id = await secretOf(clientId);
    const at = new Date(Date.now() - HOUR_MS);
    const first = new Date(at.getTime() - 10 * 60_000);
    await use(id, first);
    await use(id, at);
    expect((await clientOf(clientId))?.last_used_at).toEqual(first);
    expect(await found({ unused_since: at })).not.toContain('busy');
    expect(await found({ unused_since: new Date(at.getTime() + 1) })).toContain('busy');
    await use(id, new Date(first.getTime() + HOUR_MS + 1));
    expect((await clientOf(clientId))?.last_used_at).toEqual(new Date(first.getTime() + HOUR_MS + 1));
  });

  it('changes no version: caches stay as they are', async () => {
    const { clientId } = await insertClient(database, { name: 'cached' });
    const announced = () => database.query('SELECT id FROM changes WHERE subject = $1', [clientId]);
    const [before, changes] = [await clientOf(clientId), await announced()];
    await use(await secretOf(clientId), new Date());
    const after = await clientOf(clientId);
    expect(after?.last_used_at).not.toBeNull();
    expect(after).toMatchObject({ version: before?.version, updated_at: before?.updated_at });
    expect(await announced()).toEqual(changes);
  });

  it('takes a version for a change of anything beside it', async () => {
    const { clientId } = await insertClient(database);
    const before = await clientOf(clientId);
    await database.query(`UPDATE clients SET last_used_at = now(), tier = 'free' WHERE client_id = $1`, [clientId]);
    expect((await clientOf(clientId))?.version).not.toBe(before?.version);
  });

  it('waits for nobody who holds the client', async () => {
    const { clientId } = await insertClient(database);
    const id = await secretOf(clientId);
    await source.transaction(async (manager) => {
      await manager.query('SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE', [clientId]);
      expect(await use(id, new Date())).toEqual([]);
    });
    expect((await clientOf(clientId))?.last_used_at).toBeNull();
    expect(await found({ unused_since: fromNow(-1) })).not.toContain(clientId);
  });
});

describe('search', () => {
  beforeAll(async () => {
    await database.query('DELETE FROM clients');
    for (const name of ['Billing Service', 'mobile app', 'ÜRÜN', '請求書', '100% real', 'a_b', 'axb', 'back\\slash'])
      await insertClient(database, { name });
    await insertClient(database, { name: 'by id', clientId: 'cn_test_SearchedForX', environment: 'test' });
  });

  it.each([
    ['billing', ['Billing Service']],
    ['LING SER', ['Billing Service']],
    ['b', ['Billing Service', 'a_b', 'axb', 'back\\slash', 'by id', 'mobile app']],
    ['ürün', ['ÜRÜN']],
    ['請求', ['請求書']],
    ['%', ['100% real']],
    ['0% r', ['100% real']],
    ['a_b', ['a_b']],
    ['\\', ['back\\slash']],
    ["' OR true --", []],
    ['cn_test_Searched', ['by id']],
    ['cn_test_SearchedForX', ['by id']],
    ['cn_test_searched', []],
    ['cn_test_SearchedForXY', []],
    ['SearchedForX', []],
    ['nothing', []],
  ])('for %j', async (search, expected) => {
    expect(await found({ search })).toEqual(expected.toSorted());
  });

  it('for the beginning of every id finds everybody', async () => {
    for (const search of ['', 'cn', 'cn_']) expect(await found({ search })).toHaveLength(9);
    expect(await found({ search: 'cn_test_' })).toEqual(['by id']);
  });

  it('goes with other filters', async () => {
    expect(await found({ search: 'by', environment: 'test' })).toEqual(['by id']);
    expect(await found({ search: 'by', environment: 'live' })).toEqual([]);
  });

  it('that takes too long says what to do', async () => {
    const slow = Object.assign(new Error('canceling statement'), { code: '57014' });
    const database = { run: () => Promise.reject(slow) };
    const list = new ClientsListRepository(database as unknown as ReadDatabase).list(query());
    await expect(list).rejects.toThrow(ServiceUnavailableError);
    await expect(list).rejects.toThrow('three characters or more');
  });

  it('knows of no other filter', async () => {
    await expect(found({ hashed_secret: 'x' })).rejects.toThrow('has no column');
  });
});
