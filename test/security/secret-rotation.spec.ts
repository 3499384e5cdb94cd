import { CredentialService } from '../../src/identity/clients/credential.service.js';
import { CredentialCache } from '../../src/identity/clients/credential-cache.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { startApp, type TestApp } from '../support/app.js';
import { Canaries } from '../support/canaries.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import type { InsertedClient } from '../support/insert-client.js';
import { everythingInPostgres, everythingInRedis } from '../support/stored.js';

interface Rotated {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

const OVERLAP_SECONDS = 30;

async function rotate(
  url: string,
  admin: InsertedClient,
  clientId: string,
  body: object,
  key?: string,
): Promise<Rotated> {
  const response = await fetch(`${url}/api/v1/clients/${clientId}/secrets`, {
    method: 'POST',
    headers: {
      'x-api-key': admin.apiKey,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const statusOf = async ({ url }: { url: string }, apiKey: string) => {
  const response = await fetch(`${url}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } });
  await response.arrayBuffer();
  return response.status;
};

describe('the overlap of a rotation', () => {
  let one: TestApp;
  let other: TestApp;
  let admin: InsertedClient;

  beforeAll(async () => {
    one = await startApp();
    other = await one.replica();
    admin = await one.createClient({ scopes: ['admin'] });
  });
  afterAll(async () => {
    await other?.stop();
    await one?.stop();
  });

  /** PostgreSQL's time stands still for a replica, until it is moved. */
  function freeze(app: TestApp): (milliseconds: number) => void {
    const clock = app.app.get(DatabaseClock, { strict: false });
    let now = clock.now();
    jest.spyOn(clock, 'now').mockImplementation(() => now);
    return (milliseconds) => {
      now = milliseconds;
    };
  }

  const answeredBy = (app: TestApp) => ({ ...app.app.get(CredentialService, { strict: false }).stats });

  /** Where the next request of a replica finds the client. */
  const CACHES = {
    memory: async () => undefined,
    redis: async (app: TestApp, clientId: string) => app.app.get(CredentialCache, { strict: false }).forget(clientId),
    database: async (app: TestApp, clientId: string) => {
      app.app.get(CredentialCache, { strict: false }).forget(clientId);
      await one.redis?.client.flushdb();
    },
  } as const;

  it.each(Object.keys(CACHES) as (keyof typeof CACHES)[])('ends to the millisecond in %s', async (cache) => {
    const setters = [freeze(one), freeze(other)];
    const { clientId, apiKey } = await one.createClient();
    await Promise.all([one, other].map((app) => statusOf(app, apiKey)));
    const { status, body } = await rotate(one.url, admin, clientId, { expire_previous_in_seconds: OVERLAP_SECONDS });
    expect(status).toBe(201);
    const end = Date.parse(body.previous[0].expires_at);
    for (const [offset, expected] of [
      [-OVERLAP_SECONDS * 1_000, 200],
      [-1, 200],
      [0, 401],
      [1, 401],
    ] as const)
      for (const app of [one, other]) {
        for (const set of setters) set(end + offset);
        expect([await statusOf(app, body.api_key), await statusOf(app, apiKey)]).toEqual([200, expected]);
        await CACHES[cache](app, clientId);
        const before = answeredBy(app)[cache];
        expect({ cache, offset, status: await statusOf(app, apiKey) }).toEqual({ cache, offset, status: expected });
        if (expected === 200) expect(answeredBy(app)[cache]).toBe(before + 1);
      }
    expect(await statusOf(one, body.api_key)).toBe(200);
  });

  it('of 0 ends them whatever a replica believes the time to be', async () => {
    const { clientId, apiKey } = await one.createClient();
    expect([await statusOf(one, apiKey), await statusOf(other, apiKey)]).toEqual([200, 200]);
    const clock = other.app.get(DatabaseClock, { strict: false });
    const behind = clock.now() - 10_000;
    jest.spyOn(clock, 'now').mockReturnValue(behind);
    const { body } = await rotate(one.url, admin, clientId, { expire_previous_in_seconds: 0 });
    expect([await statusOf(one, apiKey), await statusOf(other, apiKey)]).toEqual([401, 401]);
    expect([await statusOf(one, body.api_key), await statusOf(other, body.api_key)]).toEqual([200, 200]);
  });

  it('is never that of a sixth secret: fifty rotations at once make four, and each that is answered works', async () => {
    const { clientId, apiKey } = await one.createClient();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        rotate((index % 2 ? one : other).url, admin, clientId, { expire_previous_in_seconds: 3_600 }),
      ),
    );
    const made = answers.filter(({ status }) => status === 201);
    expect(made).toHaveLength(4);
    // They wait for one another; on a busy machine some wait longer than PostgreSQL is waited for, and do nothing.
    expect([201, 409, 503]).toEqual(expect.arrayContaining([...new Set(answers.map(({ status }) => status))]));
    const [row] = await one.database.query<{ working: number }>(
      `SELECT count(*)::int AS working FROM client_secrets WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > now())`,
      [clientId],
    );
    expect(row?.working).toBe(5);
    for (const key of [apiKey, ...made.map(({ body }) => body.api_key)])
      expect([await statusOf(one, key), await statusOf(other, key)]).toEqual([200, 200]);
  });

  it('never leaves a client with more than one that stays: fifty rotations at once with overlap 0', async () => {
    const { clientId, apiKey } = await one.createClient();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        rotate((index % 2 ? one : other).url, admin, clientId, { expire_previous_in_seconds: 0 }),
      ),
    );
    expect([201, 503]).toEqual(expect.arrayContaining([...new Set(answers.map(({ status }) => status))]));
    const made = answers.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    const statuses = await Promise.all(made.map(({ body }) => statusOf(one, body.api_key)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(await statusOf(other, apiKey)).toBe(401);
  });

  it('shows the secret to its maker and leaves it nowhere else', async () => {
    const canaries = new Canaries();
    const { clientId } = await one.createClient();
    const key = canaries.plant('the Idempotency-Key');
    for (const idempotencyKey of [undefined, key, key]) {
      const { status, body } = await rotate(
        one.url,
        admin,
        clientId,
        { expire_previous_in_seconds: 60 },
        idempotencyKey,
      );
      expect(status).toBe(201);
      canaries.add('a secret', body.client_secret.slice(0, 30));
      expect(await statusOf(one, body.api_key)).toBe(200);
    }
    const userAgent = `x ${admin.apiKey} y`;
    canaries.add('a secret in a user agent', admin.secret);
    await fetch(`${one.url}/api/v1/whoami`, { headers: { 'x-api-key': admin.apiKey, 'user-agent': userAgent } });
    const stored = `${await everythingInPostgres(one.database)}\n${await everythingInRedis((one.redis as NonNullable<TestApp['redis']>).client)}`;
    expect(stored).toContain(clientId);
    expect(canaries.in(stored)).toEqual([]);
  });
});

describe('while a replica cannot confirm', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet();
  });
  afterAll(() => fleet?.stop());

  it('a rotation and a revocation say how many, and by when', async () => {
    const [one, , cutOff] = fleet.members;
    const { clientId, apiKey } = await one.createClient();
    expect(await statusOf(cutOff, apiKey)).toBe(200);
    cutOff.toPostgres.blackHole();
    try {
      const { status, body } = await rotate(one.url, fleet.admin, clientId, { expire_previous_in_seconds: 0 });
      expect(status).toBe(202);
      expect(body).toMatchObject({ propagation: 'pending', replicas_pending: 1 });
      expect(body.bounded_by_seconds).toBeGreaterThan(0);
      expect(await statusOf(one, body.api_key)).toBe(200);
      expect(await rotate(one.url, fleet.admin, clientId, { expire_previous_in_seconds: 60 })).toMatchObject({
        status: 201,
        body: { propagation: 'pending', replicas_pending: 1 },
      });
      expect(await statusOf(cutOff, apiKey)).not.toBe(200);
      const response = await fetch(`${one.url}/api/v1/clients/${clientId}/secrets/${body.id}`, {
        method: 'DELETE',
        headers: { 'x-api-key': fleet.admin.apiKey },
      });
      expect(response.status).toBe(202);
      expect(await response.json()).toMatchObject({ propagation: 'pending', replicas_pending: 1 });
    } finally {
      await cutOff.toPostgres.heal();
    }
  });
});
