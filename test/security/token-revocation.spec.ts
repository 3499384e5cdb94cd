import { eventually } from '../support/eventually.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import type { InsertedClient } from '../support/insert-client.js';
import { clientToken, post, refresh, signIn, statusWith, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';

/** Revoked means now: the very next request, on every replica, whatever becomes of Redis. */
let fleet: Fleet;
let person: Person;
let tokens: WireTokens;
let client: InsertedClient;
let short: string;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => fleet.stop());

beforeEach(async () => {
  person = await buildUser(fleet.database);
  tokens = await signIn(fleet.members[0], person);
  client = await fleet.members[0].createClient({ scopes: ['logs:read'] });
  short = await clientToken(fleet.members[0], client);
  // A replica that was just cut off finds its way back first.
  await eventually(async () => Object.values(await answers()).every((all) => all.every((status) => status === 200)));
  for (let n = 0; n < 2; n++) expect(await answers()).toEqual({ user: [200, 200, 200], client: [200, 200, 200] });
});

afterEach(() => Promise.all(fleet.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()])));

async function answers() {
  const ask = (token: string) => Promise.all(fleet.members.map((member) => statusWith(member, token)));
  const [user, ofClient] = await Promise.all([ask(tokens.access_token), ask(short)]);
  return { user, client: ofClient };
}

const asAdmin = () => ({ 'x-api-key': fleet.admin.apiKey });
const over = (path: string, body: object | string = '') => post(fleet.members[0], `/api/v1${path}`, body, asAdmin());

const USER_ENDED = { user: [401, 401, 401], client: [200, 200, 200] };
const CLIENT_ENDED = { user: [200, 200, 200], client: [401, 401, 401] };
const BOTH_ENDED = { user: [401, 401, 401], client: [401, 401, 401] };

const ENDS: readonly [string, () => Promise<{ status: number; body: unknown }>, number, object][] = [
  ["a user's token by its jti", () => over('/auth/revoke', { token: tokens.access_token }), 200, USER_ENDED],
  ["a client's token by its jti", () => over('/auth/revoke', { token: short }), 200, CLIENT_ENDED],
  ['a refresh token', () => over('/auth/revoke', { token: tokens.refresh_token }), 200, USER_ENDED],
  ['all of a user', () => over(`/users/${person.id}/tokens/revoke-all`), 204, USER_ENDED],
  ['all of a client', () => over(`/clients/${client.clientId}/tokens/revoke-all`), 204, CLIENT_ENDED],
  ['all there are', () => over('/tokens/revoke-all'), 204, BOTH_ENDED],
];

const FAULTS: readonly [string, () => Promise<unknown>][] = [
  ['with everything up', async () => undefined],
  ['with Redis cut off from every replica', () => Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()))],
  ['with Redis cut off from the one that is asked', () => fleet.members[0].toRedis.refuse()],
];

describe.each(FAULTS)('%s', (_name, fault) => {
  it.each(ENDS)('%s', async (_what, end, status, after) => {
    await fault();
    expect(await end()).toMatchObject({ status, body: null });
    expect(await answers()).toEqual(after);
    expect(await answers()).toEqual(after);
  });
});

describe('a Redis that was flushed, or that holds what was before', () => {
  it.each(ENDS)('re-admits nothing: %s', async (_what, end, _status, after) => {
    const { client: redis } = fleet.redis;
    const held = await Promise.all(
      (await redis.keys('*')).map(async (key) => [key, await redis.dumpBuffer(key)] as const),
    );
    const restore = async () => {
      await redis.flushdb();
      for (const [key, value] of held) if (value !== null) await redis.restore(key, 0, value);
    };
    await end();
    await restore();
    expect(await answers()).toEqual(after);
    await redis.flushdb();
    expect(await answers()).toEqual(after);
  });
});

describe('a replica that PostgreSQL cannot be reached from', () => {
  it.each(ENDS.slice(0, 5))('is told of by 202 or by what Redis holds back: %s', async (_what, end, _status, after) => {
    await fleet.members[2].toPostgres.refuse();
    const { body } = await end();
    const [first, second] = [fleet.members[0], fleet.members[1]];
    const expected = Object.values(after as Record<string, number[]>).map((list) => list[0]);
    for (const member of [first, second])
      expect([await statusWith(member, tokens.access_token), await statusWith(member, short)]).toEqual(expected);
    expect(body).toMatchObject({ propagation: 'pending', replicas_pending: 1 });
    const cut = [await statusWith(fleet.members[2], tokens.access_token), await statusWith(fleet.members[2], short)];
    for (const [index, status] of cut.entries()) if (expected[index] === 401) expect([401, 503]).toContain(status);
  });

  it('says so when everything is revoked', async () => {
    await fleet.members[2].toPostgres.refuse();
    expect(await over('/tokens/revoke-all')).toMatchObject({ status: 202, body: { propagation: 'pending' } });
  });
});

it('no token is forgotten by a change that comes right after', async () => {
  await Promise.all([
    over('/auth/revoke', { token: tokens.access_token }),
    fleet.database.query(`UPDATE users SET name = 'other' WHERE id = $1`, [person.id]),
    refresh(fleet.members[1], tokens.refresh_token),
  ]);
  expect((await answers()).user).toEqual([401, 401, 401]);
});

it('a token is revoked by a hundred at once', async () => {
  const all = await Promise.all(
    Array.from({ length: 100 }, () => over('/auth/revoke', { token: tokens.access_token })),
  );
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
  expect((await answers()).user).toEqual([401, 401, 401]);
});
