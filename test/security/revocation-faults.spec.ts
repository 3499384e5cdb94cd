import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { startAppProcess } from '../support/app-process.js';
import { eventually } from '../support/eventually.js';
import { type Fleet, type FleetMember, revokeOver, startFleet, statusOf } from '../support/fleet.js';
import type { InsertedClient } from '../support/insert-client.js';

const PER_SECOND = 100;

let fleet: Fleet;
let client: InsertedClient;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

beforeEach(async () => {
  client = await warmClient(fleet);
});
afterEach(async () => {
  await Promise.all(fleet.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()]));
  await eventually(() => allBeat(fleet), 10_000);
  await toStrangers('DELETE FROM replicas');
});

/** A client whose key every replica remembers. */
async function warmClient({ members }: Fleet): Promise<InsertedClient> {
  const made = await members[0].createClient();
  for (const { url } of members) for (let n = 0; n < 2; n++) expect(await statusOf(url, made.apiKey)).toBe(200);
  return made;
}

/** Whether the three are listed with a recent beat. */
async function allBeat({ database, members }: Fleet): Promise<boolean> {
  const [row] = await database.query<{ live: number }>(
    `SELECT count(*)::int AS live FROM replicas
     WHERE id = ANY($1) AND beat_at > clock_timestamp() - interval '2 seconds'`,
    [members.map(({ replicaId }) => replicaId)],
  );
  return row?.live === 3;
}

/** Does something to the replicas that are not of the fleet. */
const toStrangers = (statement: string) =>
  fleet.database.query(`${statement} WHERE id <> ALL($1)`, [fleet.members.map(({ replicaId }) => replicaId)]);

/** The statuses of so many requests to all replicas in turn, each started after the call. */
async function statusesAfter(count: number, members: readonly FleetMember[] = fleet.members): Promise<Set<number>> {
  const statuses = new Set<number>();
  for (let started = 0; started < count; started += 50) {
    const batch = Array.from({ length: 50 }, (_, n) =>
      statusOf((members[n % members.length] as FleetMember).url, client.apiKey),
    );
    for (const status of await Promise.all(batch)) statuses.add(status);
  }
  return statuses;
}

const revoke = (by: FleetMember) => revokeOver(by.url, fleet.admin, client.clientId);
const entryKey = () => `cn:{${client.clientId}}:credential`;

it('under 100 requests a second on three replicas: none of 500 that start after the 204 is accepted', async () => {
  const seen: Promise<{ started: number; status: number }>[] = [];
  const send = () => {
    const started = performance.now();
    const { url } = fleet.members[seen.length % 3] as FleetMember;
    seen.push(statusOf(url, client.apiKey).then((status) => ({ started, status })));
  };
  const traffic = setInterval(send, 1_000 / PER_SECOND);
  try {
    await eventually(() => seen.length >= PER_SECOND / 2);
    expect((await revoke(fleet.members[0])).status).toBe(204);
    const revokedAt = performance.now();
    const sentBefore = seen.length;
    await eventually(() => seen.length >= sentBefore + 500, 20_000);
    const answers = await Promise.all(seen);
    expect(answers.filter(({ started }) => started < revokedAt).some(({ status }) => status === 200)).toBe(true);
    const after = answers.filter(({ started }) => started >= revokedAt);
    expect(after.length).toBeGreaterThanOrEqual(500);
    expect(after.filter(({ status }) => status !== 401)).toEqual([]);
  } finally {
    clearInterval(traffic);
  }
});

it.each<[string, (member: FleetMember) => Promise<void> | void]>([
  ['refused', ({ toRedis }) => toRedis.refuse()],
  ['black-holed', ({ toRedis }) => toRedis.blackHole()],
])('a replica whose Redis is %s confirms like the others: 204', async (_how, cut) => {
  const [by, , other] = fleet.members;
  await cut(other);
  expect((await revoke(by)).status).toBe(204);
  expect(await statusesAfter(100)).toEqual(new Set([401]));
});

it.each<[string, (member: FleetMember) => Promise<void> | void]>([
  ['refused', ({ toPostgres }) => toPostgres.refuse()],
  ['black-holed', ({ toPostgres }) => toPostgres.blackHole()],
])(
  'a replica whose PostgreSQL is %s cannot confirm: 202 names it and its bound, and it accepts nothing',
  async (_how, cut) => {
    const [by, , other] = fleet.members;
    await cut(other);
    const answer = await revoke(by);
    expect(answer).toMatchObject({
      status: 202,
      body: { propagation: 'pending', replicas_pending: 1, bounded_by_seconds: 60 },
    });
    expect(answer.tookMs).toBeLessThan(3_500);
    for (const status of await statusesAfter(50)) expect([401, 503]).toContain(status);
    await other.toPostgres.heal();
    await eventually(async () => (await statusOf(other.url, client.apiKey)) === 401, 10_000);
  },
);

it('Redis flushed afterwards brings nothing back', async () => {
  expect((await revoke(fleet.members[0])).status).toBe(204);
  await fleet.redis.client.flushall();
  expect(await statusesAfter(100)).toEqual(new Set([401]));
});

it('Redis restored to an older state brings nothing back: not here, and not to a replica that starts then', async () => {
  const entry = (await fleet.redis.client.get(entryKey())) ?? '';
  expect(entry).not.toBe('');
  expect((await revoke(fleet.members[0])).status).toBe(204);
  const restore = async () => {
    await fleet.redis.client.del(`cn:{${client.clientId}}:fence`);
    await fleet.redis.client.set(entryKey(), entry, 'PX', 300_000);
  };
  await restore();
  expect(await statusesAfter(100)).toEqual(new Set([401]));
  const late = await fleet.members[0].replica();
  try {
    await restore();
    expect(await statusOf(late.url, client.apiKey)).toBe(401);
  } finally {
    await late.stop();
  }
});

it('a slow reader that began before writes nothing back', async () => {
  const [by, , slow] = fleet.members;
  await fleet.redis.client.del(entryKey());
  slow.toPostgres.delay(150);
  const early = statusOf(slow.url, client.apiKey);
  await pause(100);
  const answer = await revoke(by);
  expect(answer.status).toBe(204);
  await early;
  await slow.toPostgres.heal();
  expect(await statusesAfter(100)).toEqual(new Set([401]));
  expect(await fleet.redis.client.exists(entryKey())).toBe(0);
});

it('a subscriber whose connection is lost hears of it from the poll: 204', async () => {
  await fleet.database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'changes|replicas'`,
  );
  expect((await revoke(fleet.members[1])).status).toBe(204);
  expect(await statusesAfter(100)).toEqual(new Set([401]));
});

it('a disabled client, a narrowed one and a revoked secret wait for the receipts alike', async () => {
  const [by, , other] = fleet.members;
  await other.toPostgres.refuse();
  const send = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${by.url}/api/v1/clients/${client.clientId}${path}`, {
      method,
      headers: { 'x-api-key': fleet.admin.apiKey, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const pending = { propagation: 'pending', replicas_pending: 1, bounded_by_seconds: 60 };
  expect(await send('PATCH', '', { scopes: [] })).toMatchObject({ status: 202, body: { ...pending, scopes: [] } });
  expect(await send('PATCH', '', { status: 'disabled' })).toMatchObject({ status: 202, body: pending });
});

it('a stopped replica is named, and accepts nothing of what waited for it when it wakes up', async () => {
  const asleep = await startAppProcess({ DATABASE_URL: fleet.database.url, REDIS_URL: fleet.redis.url });
  const url = `http://127.0.0.1:${asleep.port}`;
  try {
    for (let n = 0; n < 2; n++) expect(await statusOf(url, client.apiKey)).toBe(200);
    asleep.child.kill('SIGSTOP');
    expect(await revoke(fleet.members[0])).toMatchObject({ status: 202, body: { replicas_pending: 1 } });
    const waiting = Promise.all(Array.from({ length: 20 }, () => statusOf(url, client.apiKey)));
    await pause(200);
    asleep.child.kill('SIGCONT');
    expect(new Set(await waiting)).toEqual(new Set([401]));
    expect(await statusOf(url, client.apiKey)).toBe(401);
  } finally {
    asleep.child.kill('SIGKILL');
    await asleep.exited;
  }
});

it('a replica that was killed is counted for its bound, and not waited for once it is silent', async () => {
  const killed = await startAppProcess({ DATABASE_URL: fleet.database.url, REDIS_URL: fleet.redis.url });
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit').catch(() => undefined);
  await toStrangers(`UPDATE replicas SET beat_at = clock_timestamp() - interval '10 seconds'`);
  const answer = await revoke(fleet.members[0]);
  expect(answer).toMatchObject({ status: 202, body: { replicas_pending: 1, bounded_by_seconds: 50 } });
  expect(answer.tookMs).toBeLessThan(1_000);
  await toStrangers(`UPDATE replicas SET beat_at = clock_timestamp() - interval '60 seconds'`);
  expect((await revokeOver(fleet.members[0].url, fleet.admin, (await warmClient(fleet)).clientId)).status).toBe(204);
});
