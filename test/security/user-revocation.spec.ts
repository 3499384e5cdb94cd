import { eventually } from '../support/eventually.js';
import { type Fleet, startFleet, statusOf } from '../support/fleet.js';
import {
  accessTokenOf,
  type BuiltSession,
  buildGrant,
  buildSession,
  buildUser,
  type Person,
} from '../support/people.js';

let fleet: Fleet;
let person: Person;
let session: BuiltSession;
let token: string;
let browser: BuiltSession;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

beforeEach(async () => {
  person = await buildUser(fleet.database, { roles: ['viewer'] });
  session = await buildSession(fleet.database, person.id);
  browser = await buildSession(fleet.database, person.id, { kind: 'cookie' });
  token = await accessTokenOf(fleet.members[0], session);
  for (let n = 0; n < 2; n++) expect(await answers()).toEqual({ token: [200, 200, 200], cookie: [200, 200, 200] });
});
afterEach(() => Promise.all(fleet.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()])));

/** What each replica answers, asked by token and by cookie. */
async function answers(path = '/api/v1/whoami') {
  const [ofToken, ofCookie] = await Promise.all([
    Promise.all(fleet.members.map(({ url }) => statusOf(url, token, path))),
    Promise.all(fleet.members.map(({ url }) => statusByCookie(url, path))),
  ]);
  return { token: ofToken, cookie: ofCookie };
}

async function statusByCookie(url: string, path: string): Promise<number> {
  const response = await fetch(`${url}${path}`, { headers: { cookie: `__Host-core-nest-session=${browser.cookie}` } });
  await response.arrayBuffer();
  return response.status;
}

/** Asks the first replica, as an administrator. */
async function administer(method: string, path: string, body?: object): Promise<number> {
  const response = await fetch(`${fleet.members[0].url}/api/v1${path}`, {
    method,
    headers: { 'x-api-key': fleet.admin.apiKey, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  return response.status;
}

const BOTH_REFUSED = { token: [401, 401, 401], cookie: [401, 401, 401] };
const TOKEN_REFUSED = { token: [401, 401, 401], cookie: [200, 200, 200] };
const COOKIE_REFUSED = { token: [200, 200, 200], cookie: [401, 401, 401] };

/** Ways to end something, what they answer, and what is refused from the next request on. */
const ENDS: readonly [string, () => Promise<number>, number, object][] = [
  ['suspending the user', () => administer('PATCH', `/users/${person.id}`, { status: 'suspended' }), 200, BOTH_REFUSED],
  ['deleting the user', () => administer('DELETE', `/users/${person.id}`), 204, BOTH_REFUSED],
  ['ending all sessions', () => administer('DELETE', `/users/${person.id}/sessions`), 204, BOTH_REFUSED],
  [
    "ending the token's session",
    () => administer('DELETE', `/users/${person.id}/sessions/${session.id}`),
    204,
    TOKEN_REFUSED,
  ],
  [
    "ending the browser's session",
    () => administer('DELETE', `/users/${person.id}/sessions/${browser.id}`),
    204,
    COOKIE_REFUSED,
  ],
];

/** What becomes of Redis while it happens. */
const FAULTS: readonly [string, () => Promise<unknown>][] = [
  ['with everything up', async () => undefined],
  ['with Redis cut off from every replica', () => Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()))],
  ['with Redis cut off from the one that is asked', () => fleet.members[0].toRedis.refuse()],
];

describe.each(FAULTS)('%s', (_name, fault) => {
  it.each(ENDS)(
    '%s ends what it ends, for the very next request on every replica',
    async (_what, end, status, after) => {
      await fault();
      expect(await end()).toBe(status);
      expect(await answers()).toEqual(after);
    },
  );

  it('a grant taken away is not held by the next request on any replica', async () => {
    const id = await buildGrant(fleet.database, person.id, { role: 'auditor' });
    await eventually(async () => (await answers('/api/v1/audit-logs')).token.every((status) => status === 200));
    await fault();
    expect(await administer('DELETE', `/users/${person.id}/grants/${id}`)).toBe(204);
    expect(await answers('/api/v1/audit-logs')).toEqual({ token: [403, 403, 403], cookie: [403, 403, 403] });
    expect((await answers()).token).toEqual([200, 200, 200]);
  });
});

it.each(ENDS)('%s holds when Redis is flushed afterwards', async (_what, end, status, after) => {
  expect(await end()).toBe(status);
  await fleet.redis.client.flushdb();
  expect(await answers()).toEqual(after);
});

it.each(ENDS)('%s holds when Redis falls back to what it held before', async (_what, end, status, after) => {
  const key = `cn:{${person.id}}:principal`;
  const before = await fleet.redis.client.get(key);
  expect(before).toMatch(/^\d+\|$/);
  expect(await end()).toBe(status);
  await fleet.redis.client.set(key, before ?? '', 'PX', 300_000);
  expect(await answers()).toEqual(after);
});

it('changes by hand in SQL count within a second', async () => {
  await fleet.database.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [session.id]);
  await eventually(async () => (await answers()).token.every((status) => status === 401), 2_000);
  expect(await answers()).toEqual(TOKEN_REFUSED);
});

it('all tokens of a user end at once', async () => {
  const other = await buildSession(fleet.database, person.id);
  const second = await accessTokenOf(fleet.members[0], other);
  expect(await administer('POST', `/users/${person.id}/tokens/revoke-all`)).toBe(204);
  expect((await answers()).token).toEqual([401, 401, 401]);
  for (const { url } of fleet.members) expect(await statusOf(url, second)).toBe(401);
});

it('a replica that has lost PostgreSQL refuses what Redis was told of', async () => {
  const [, , cutOff] = fleet.members;
  await cutOff.toPostgres.refuse();
  expect(await statusOf(cutOff.url, token)).toBe(200);
  expect(await administer('DELETE', `/users/${person.id}/sessions/${session.id}`)).toBe(202);
  expect(await statusOf(cutOff.url, token)).toBe(503);
  await cutOff.toPostgres.heal();
  await eventually(async () => (await statusOf(cutOff.url, token)) === 401, 10_000);
});

it('a replica that has lost PostgreSQL does not call a session void that it has not heard of', async () => {
  const [here, , cutOff] = fleet.members;
  await cutOff.toPostgres.refuse();
  const newer = await accessTokenOf(here, await buildSession(fleet.database, person.id));
  expect(await statusOf(cutOff.url, token)).toBe(200);
  expect(await statusOf(cutOff.url, newer)).toBe(503);
  await cutOff.toPostgres.heal();
  await eventually(async () => (await statusOf(cutOff.url, newer)) === 200, 10_000);
});

// Last, because for a second from then on nothing is remembered that was read before.
it('every token there is ends at once, and sessions by cookie go on', async () => {
  expect(await administer('POST', '/tokens/revoke-all')).toBe(204);
  expect(await answers()).toEqual(TOKEN_REFUSED);
});
