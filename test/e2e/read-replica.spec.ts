import { ReadDatabase } from '../../src/platform/database/read-database.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { insertClient } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** A database of its own in a replica's place, so that each answer tells where it was read. */
let replica: TestDatabase;
let toReplica: TcpProxy;
let app: TestApp;
let adminKey: string;
let ghost: { clientId: string; apiKey: string };

beforeAll(async () => {
  replica = await createTestDatabase();
  toReplica = await TcpProxy.start(replica.url);
  app = await startApp({ settings: { DATABASE_READ_URL: toReplica.through(replica.url) } });
  adminKey = (await app.createClient({ scopes: ['admin'], name: 'primary' })).apiKey;
  ghost = await insertClient(replica, { name: 'replica', scopes: ['admin'] });
});

afterAll(async () => {
  await app?.stop();
  await toReplica?.stop();
  await replica?.drop();
});

async function call(method: string, path: string, body?: object, key = adminKey) {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: { 'x-api-key': key, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

const listed = async (query = '') =>
  (await call('GET', `/api/v1/clients${query}`)).body.data.map(({ name }: { name: string }) => name);

describe('a read replica', () => {
  it('answers the lists', async () => {
    expect(await listed()).toEqual(['replica']);
    expect(await listed('?search=REPL')).toEqual(['replica']);
    expect(await listed('?search=primary')).toEqual([]);
  });

  it('lets nobody in, and decides nothing', async () => {
    expect((await call('GET', '/api/v1/whoami', undefined, ghost.apiKey)).status).toBe(401);
    const path = `/api/v1/clients/${ghost.clientId}`;
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('PATCH', path, { name: 'x' })).status).toBe(404);
    expect((await call('DELETE', path)).status).toBe(404);
    expect((await call('POST', '/api/v1/leaked-keys', { api_key: ghost.apiKey })).status).toBe(404);
    const made = await call('POST', '/api/v1/clients', { name: 'new' });
    expect((await call('GET', `/api/v1/clients/${made.body.client_id}`)).body.name).toBe('new');
  });

  it('that dies is not missed, and comes back by itself', async () => {
    await toReplica.refuse();
    try {
      expect(await listed()).toEqual(['new', 'primary']);
    } finally {
      await toReplica.heal();
    }
    await eventually(async () => (await listed()).includes('replica'), 10_000);
    const { stats } = app.app.get(ReadDatabase, { strict: false });
    expect(stats.failures).toBeGreaterThan(0);
    const metrics = await fetch(`${app.url}/metrics`, { headers: { 'x-api-key': adminKey } });
    expect(await metrics.text()).toMatch(/core_nest_list_reads_total\{from="replica"\} [1-9]/);
  });

  it('that is away at the start does not keep the service from starting', async () => {
    await toReplica.refuse();
    const other = await app.replica();
    try {
      const response = await fetch(`${other.url}/api/v1/clients`, { headers: { 'x-api-key': adminKey } });
      expect(response.status).toBe(200);
    } finally {
      await other.stop();
      await toReplica.heal();
    }
  });
});
