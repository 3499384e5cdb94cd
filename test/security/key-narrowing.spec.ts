import { RedisService } from '../../src/platform/redis/redis.service.js';
import { eventually } from '../support/eventually.js';
import { type Fleet, type FleetMember, startFleet, statusOf } from '../support/fleet.js';
import { type InsertedClient, insertClient } from '../support/insert-client.js';
import { buildGrant, buildUser, type Person } from '../support/people.js';
import { ask } from '../support/signed-in.js';

/** Asks for what the operator's grant alone gives the owner. */
const NARROWED = '/api/v1/clients?limit=1';
const MODELS = '/v1/models';

let fleet: Fleet;
let owner: Person;
let grantId: string;
let key: InsertedClient;

beforeAll(async () => {
  fleet = await startFleet();
}, 60_000);
afterAll(() => fleet?.stop());

beforeEach(async () => {
  owner = await buildUser(fleet.database, { roles: ['developer'] });
  grantId = await buildGrant(fleet.database, owner.id, { role: 'operator' });
  key = await insertClient(fleet.database, {
    ownerId: owner.id,
    scopes: ['clients:read', 'llm:invoke', 'users:write'],
  });
  for (const { url } of fleet.members)
    for (let times = 0; times < 2; times++) expect(await statusOf(url, key.apiKey, NARROWED)).toBe(200);
});
afterEach(async () => {
  await Promise.all(fleet.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()]));
  await eventually(() => fleet.members.every(({ app }) => app.get(RedisService, { strict: false }).usable), 10_000);
  await eventually(async () => {
    const [row] = await fleet.database.query<{ live: number }>(
      `SELECT count(*)::int AS live FROM replicas
       WHERE id = ANY ($1) AND beat_at > clock_timestamp() - interval '2 seconds'`,
      [fleet.members.map(({ replicaId }) => replicaId)],
    );
    return row?.live === 3;
  }, 10_000);
  await fleet.database.query('DELETE FROM replicas WHERE id <> ALL ($1)', [
    fleet.members.map((each) => each.replicaId),
  ]);
});

/** What the three answer to so many requests that start from now on. */
async function statuses(
  path: string,
  count = 60,
  members: readonly FleetMember[] = fleet.members,
): Promise<Set<number>> {
  const asked = Array.from({ length: count }, (_, n) =>
    statusOf((members[n % members.length] as FleetMember).url, key.apiKey, path),
  );
  return new Set(await Promise.all(asked));
}

const allAre = (seen: Set<number>, ...expected: number[]) => [...seen].every((status) => expected.includes(status));

const byAdmin = (method: string, path: string, body?: unknown) =>
  ask(fleet.members[0].url, fleet.admin.apiKey, method, path, body);
const takeGrant = () => byAdmin('DELETE', `/api/v1/users/${owner.id}/grants/${grantId}`);
const setStatus = (status: 'suspended' | 'active') => byAdmin('PATCH', `/api/v1/users/${owner.id}`, { status });
const entryKey = () => `cn:{${key.clientId}}:credential`;

it('a grant taken from the owner narrows the key on the next request everywhere, and leaves it the rest', async () => {
  expect((await takeGrant()).status).toBe(204);
  expect(await statuses(NARROWED)).toEqual(new Set([403]));
  expect(await statuses(MODELS)).toEqual(new Set([200]));
});

it('a short token of the key is narrowed with it, and ends with its owner', async () => {
  const basic = Buffer.from(key.apiKey.replace(`${key.clientId}_`, `${key.clientId}:`)).toString('base64');
  const response = await fetch(`${fleet.members[0].url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials',
  });
  expect(response.status).toBe(200);
  const { access_token: token } = (await response.json()) as { access_token: string };
  const answers = (path: string) => Promise.all(fleet.members.map(({ url }) => statusOf(url, token, path)));
  expect(await answers(NARROWED)).toEqual([200, 200, 200]);
  expect((await takeGrant()).status).toBe(204);
  expect(await answers(NARROWED)).toEqual([403, 403, 403]);
  expect(await answers(MODELS)).toEqual([200, 200, 200]);
  expect((await setStatus('suspended')).status).toBe(200);
  expect(await answers(MODELS)).toEqual([401, 401, 401]);
});

it('a permission taken from a role of the owner narrows the key at once', async () => {
  expect((await takeGrant()).status).toBe(204);
  const permissions = ['clients:read'];
  const role = await byAdmin('POST', '/api/v1/roles', { name: 'reader', permissions });
  expect(role.status).toBe(201);
  const given = await byAdmin('POST', `/api/v1/users/${owner.id}/grants`, { role_id: role.body.id });
  expect(given.status).toBe(201);
  expect(await statuses(NARROWED)).toEqual(new Set([200]));
  expect((await byAdmin('PATCH', `/api/v1/roles/${role.body.id}`, { permissions: [] })).status).toBe(200);
  expect(await statuses(NARROWED)).toEqual(new Set([403]));
});

it('a grant given back, or changed by hand in SQL, is felt as well', async () => {
  expect((await takeGrant()).status).toBe(204);
  const given = await buildGrant(fleet.database, owner.id, { role: 'operator' });
  await eventually(async () => allAre(await statuses(NARROWED, 6), 200));
  await fleet.database.query(`UPDATE grants SET effect = 'deny' WHERE id = $1`, [given]);
  await eventually(async () => allAre(await statuses(NARROWED, 6), 403));
});

it('a grant that ends narrows the key to the millisecond, without anybody changing anything', async () => {
  const end = new Date(Date.now() + 1_500);
  await fleet.database.query('UPDATE grants SET expires_at = $1 WHERE id = $2', [end, grantId]);
  await eventually(async () => allAre(await statuses(NARROWED, 3), 200, 403));
  await eventually(() => Date.now() > end.getTime() + 200);
  expect(await statuses(NARROWED)).toEqual(new Set([403]));
});

it('the keys of a suspended user are refused like unknown ones at once, and work again with them', async () => {
  expect((await setStatus('suspended')).status).toBe(200);
  expect(await statuses(MODELS)).toEqual(new Set([401]));
  const refused = await ask(fleet.members[1].url, key.apiKey, 'GET', MODELS);
  expect(refused.text).toContain('invalid_api_key');
  expect((await setStatus('active')).status).toBe(200);
  expect(await statuses(MODELS)).toEqual(new Set([200]));
});

it('the keys of a user who was only invited are refused', async () => {
  await fleet.database.query(`UPDATE users SET status = 'invited' WHERE id = $1`, [owner.id]);
  await eventually(async () => allAre(await statuses(MODELS, 3), 401));
});

describe('a user who is deleted', () => {
  it('leaves keys that are disabled and belong to nobody', async () => {
    expect((await byAdmin('DELETE', `/api/v1/users/${owner.id}`)).status).toBe(204);
    expect(await statuses(MODELS)).toEqual(new Set([401]));
    expect((await byAdmin('GET', `/api/v1/clients/${key.clientId}`)).body).toMatchObject({
      owner_id: null,
      status: 'disabled',
    });
    expect(await handedOver()).toEqual([
      { owner_id: null, previous_owner_id: owner.id, reason: 'owner_deleted: disabled' },
    ]);
  });

  it('leaves keys that go on as those of the heir, with what that holds', async () => {
    const heir = await buildUser(fleet.database, { roles: ['developer'] });
    expect((await byAdmin('DELETE', `/api/v1/users/${owner.id}?hand_over_to=${heir.id}`)).status).toBe(204);
    expect(await statuses(MODELS)).toEqual(new Set([200]));
    expect(await statuses(NARROWED)).toEqual(new Set([403]));
    expect((await byAdmin('GET', `/api/v1/clients/${key.clientId}`)).body).toMatchObject({
      owner_id: heir.id,
      status: 'active',
    });
    expect(await handedOver()).toEqual([{ owner_id: heir.id, previous_owner_id: owner.id, reason: 'owner_deleted' }]);
  });

  const handedOver = async () => {
    const rows = await fleet.database.query<{ details: object }>(
      `SELECT details FROM audit_logs WHERE subject_id = $1 AND action = 'client.hand_over'`,
      [key.clientId],
    );
    return rows.map(({ details }) => details);
  };
});

describe('with Redis away', () => {
  beforeEach(async () => {
    await Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()));
    await eventually(async () => allAre(await statuses(NARROWED, 9), 200));
  });

  it('the key is narrowed at once all the same, and stays so when Redis is back with what it held', async () => {
    expect((await takeGrant()).status).toBe(204);
    expect(await statuses(NARROWED)).toEqual(new Set([403]));
    await Promise.all(fleet.members.map(({ toRedis }) => toRedis.heal()));
    await eventually(async () => (await fleet.database.query('SELECT 1 FROM credential_fences')).length === 0, 10_000);
    expect(await statuses(NARROWED)).toEqual(new Set([403]));
    expect(await statuses(MODELS)).toEqual(new Set([200]));
  });

  it('a suspended user’s keys are refused', async () => {
    expect((await setStatus('suspended')).status).toBe(200);
    expect(await statuses(MODELS)).toEqual(new Set([401]));
  });
});

it('Redis flushed before and after brings nothing back', async () => {
  await fleet.redis.client.flushall();
  expect((await takeGrant()).status).toBe(204);
  await fleet.redis.client.flushall();
  expect(await statuses(NARROWED)).toEqual(new Set([403]));
});

it('Redis restored to an older state brings nothing back: not here, and not to a replica that starts then', async () => {
  const entry = (await fleet.redis.client.get(entryKey())) ?? '';
  expect(entry).toContain(owner.id);
  expect((await takeGrant()).status).toBe(204);
  const restore = async () => {
    await fleet.redis.client.del(`cn:{${key.clientId}}:fence`);
    await fleet.redis.client.set(entryKey(), entry, 'PX', 300_000);
  };
  await restore();
  expect(await statuses(NARROWED)).toEqual(new Set([403]));
  const late = await fleet.members[0].replica();
  try {
    await restore();
    expect(await statusOf(late.url, key.apiKey, NARROWED)).toBe(403);
  } finally {
    await late.stop();
  }
});

it('a replica that cannot reach PostgreSQL cannot confirm: 202 says so, and it lets nothing more through', async () => {
  const [, , other] = fleet.members;
  await other.toPostgres.refuse();
  const answer = await takeGrant();
  expect(answer).toMatchObject({ status: 202, body: { propagation: 'pending', replicas_pending: 1 } });
  for (const status of await statuses(NARROWED, 30)) expect([403, 503]).toContain(status);
  await other.toPostgres.heal();
  await eventually(async () => (await statusOf(other.url, key.apiKey, NARROWED)) === 403, 10_000);
});

it('under load on three replicas no request that starts after the answer gets what was taken', async () => {
  const seen: Promise<{ started: number; status: number }>[] = [];
  const send = () => {
    const started = performance.now();
    const { url } = fleet.members[seen.length % 3] as FleetMember;
    seen.push(statusOf(url, key.apiKey, NARROWED).then((status) => ({ started, status })));
  };
  const traffic = setInterval(send, 10);
  try {
    await eventually(() => seen.length >= 50);
    expect((await takeGrant()).status).toBe(204);
    const taken = performance.now();
    const before = seen.length;
    await eventually(() => seen.length >= before + 300, 20_000);
    const answers = await Promise.all(seen);
    expect(answers.filter(({ started }) => started < taken).some(({ status }) => status === 200)).toBe(true);
    const after = answers.filter(({ started }) => started >= taken);
    expect(after.length).toBeGreaterThanOrEqual(300);
    expect(after.filter(({ status }) => status !== 403)).toEqual([]);
  } finally {
    clearInterval(traffic);
  }
}, 30_000);
