import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { attemptSignIn, buildUser, type Person, signIn } from '../support/people.js';
import { RedisServer } from '../support/redis-server.js';
import { fromElsewhere, later, type SignInFleet, startSignInFleet } from '../support/sign-in-fleet.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const WRONG = 'a wrong password of some length';

interface Problem {
  readonly code: string;
}

async function codeOf(response: Response): Promise<[number, string]> {
  return [response.status, ((await response.json()) as Problem).code];
}

describe('without PostgreSQL', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let app: TestApp;
  let person: Person;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await TcpProxy.start(database.url);
    app = await startApp({
      database,
      settings: { DATABASE_URL: proxy.through(database.url), TRUSTED_PROXIES: '127.0.0.1' },
    });
    person = await buildUser(database);
  });
  afterAll(async () => {
    await proxy?.heal();
    await app?.stop();
    await proxy?.stop();
    await database?.drop();
  });
  afterEach(() => proxy.heal());

  it.each([
    ['that refuses', () => proxy.refuse()],
    ['that answers nothing', () => proxy.blackHole()],
  ])(
    '%s: nobody signs in, right or wrong, and nobody waits for ever',
    async (_, fault) => {
      expect((await attemptSignIn(app, person, { headers: fromElsewhere() })).status).toBe(200);
      await fault();
      for (const password of [person.password, WRONG]) {
        const started = performance.now();
        const response = await attemptSignIn(app, person, { password, headers: fromElsewhere() });
        expect(await codeOf(response)).toEqual([503, 'service_unavailable']);
        expect(response.headers.get('retry-after')).not.toBeNull();
        expect(performance.now() - started).toBeLessThan(6_000);
      }
      await proxy.heal();
      await eventually(
        async () => (await attemptSignIn(app, person, { headers: fromElsewhere() })).status === 200,
        15_000,
      );
    },
    60_000,
  );

  it('that goes while the password is looked at, nobody signs in, and the guess counts', async () => {
    const { SecretHasher } = await import('../../src/identity/hashing/secret-hasher.service.js');
    const hasher = app.app.get(SecretHasher, { strict: false });
    const { matches } = hasher;
    hasher.matches = async (...given) => {
      const right = await matches.apply(hasher, given);
      await proxy.refuse();
      return right;
    };
    const each = await buildUser(database);
    try {
      const response = await attemptSignIn(app, each, { headers: fromElsewhere() });
      expect((await codeOf(response))[0]).toBe(503);
    } finally {
      hasher.matches = matches;
      await proxy.heal();
    }
    expect(await database.query('SELECT 1 FROM sessions WHERE user_id = $1', [each.id])).toEqual([]);
    expect(await database.query('SELECT 1 FROM sign_in_attempts WHERE decided_at IS NULL')).toHaveLength(1);
    await eventually(async () => (await attemptSignIn(app, each, { headers: fromElsewhere() })).status === 200, 15_000);
  }, 60_000);
});

describe('without Redis', () => {
  it('people sign in and out, and the counters are what they were', async () => {
    const server = await RedisServer.start();
    const fleet = await startSignInFleet(2, { REDIS_URL: server.url }, null);
    try {
      const [app] = fleet.apps;
      const person = await buildUser(app.database);
      const before = await signIn(app, person, { headers: fromElsewhere() });
      for (let index = 0; index < 3; index += 1)
        await attemptSignIn(fleet.at(index), { ...person, password: WRONG }, { headers: fromElsewhere() });
      await server.kill();
      fleet.hashes();
      expect((await attemptSignIn(fleet.at(1), person, { headers: fromElsewhere() })).status).toBe(429);
      expect(fleet.hashes()).toBe(0);
      await later(app, 1);
      // The replica that refused believes that for a second; the other one asks.
      const after = await signIn(fleet.at(0), person, { headers: fromElsewhere() });
      for (const each of [before, after]) expect((await each.fetch('/api/v1/whoami')).status).toBe(200);
      const left = await after.fetch('/api/v1/auth/logout', { method: 'POST' });
      expect([204, 202]).toContain(left.status);
      expect((await after.fetch('/api/v1/whoami')).status).toBe(401);
      expect((await before.fetch('/api/v1/whoami')).status).toBe(200);
    } finally {
      await fleet.stop();
      await server.stop();
    }
  }, 60_000);
});

describe('with other things missing', () => {
  let fleet: SignInFleet;
  let app: TestApp;

  beforeAll(async () => {
    fleet = await startSignInFleet(1, { BCRYPT_THREADS: '1', BCRYPT_QUEUE: '1', PASSWORD_BCRYPT_COST: '10' });
    app = fleet.apps[0];
  });
  afterAll(() => fleet?.stop());

  it('as many hashes waiting as may: 503, and no guess is counted', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, () => buildUser(app.database)));
    const answers = await Promise.all(
      people.map(async (each) =>
        codeOf(await attemptSignIn(app, { ...each, password: WRONG }, { headers: fromElsewhere() })),
      ),
    );
    const full = answers.filter(([status]) => status === 503);
    expect(full.length).toBeGreaterThan(5);
    expect(new Set(full.map(([, code]) => code))).toEqual(new Set(['service_unavailable']));
    const [{ count } = { count: '' }] = await app.database.query<{ count: string }>(
      'SELECT count(*) FROM sign_in_attempts',
    );
    expect(Number(count)).toBe(20 - full.length);
  });

  it('no line in the audit log: no session, no tokens, and no guess is forgiven or lost', async () => {
    const person = await buildUser(app.database);
    const { query } = app.database;
    await query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`);
    await query('CREATE TRIGGER refuse BEFORE INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse()');
    try {
      for (const password of [person.password, WRONG]) {
        const response = await attemptSignIn(app, person, { password, headers: fromElsewhere() });
        expect(await codeOf(response)).toEqual([503, 'service_unavailable']);
      }
    } finally {
      await query('DROP TRIGGER refuse ON audit_logs');
    }
    expect(await query('SELECT 1 FROM sessions WHERE user_id = $1', [person.id])).toEqual([]);
    expect(await query('SELECT 1 FROM refresh_families')).toEqual([]);
    expect(await query('SELECT decided_at FROM sign_in_attempts ORDER BY id DESC LIMIT 1')).toEqual([
      { decided_at: null },
    ]);
  });

  it('no room for another session: 409, and no guess is counted', async () => {
    const full = await startSignInFleet(1, { SESSIONS_PER_USER: '1', SESSIONS_WHEN_FULL: 'refuse' });
    try {
      const [one] = full.apps;
      const person = await buildUser(one.database);
      await signIn(one, person, { headers: fromElsewhere() });
      const response = await attemptSignIn(one, person, { headers: fromElsewhere() });
      expect(await codeOf(response)).toEqual([409, 'session_limit']);
      expect(await one.database.query('SELECT 1 FROM sign_in_attempts')).toEqual([]);
    } finally {
      await full.stop();
    }
  });

  it('a caller that does not wait for the answer: the guess counts', async () => {
    const person = await buildUser(app.database);
    await Promise.all(
      Array.from({ length: 5 }, () =>
        attemptSignIn(
          { url: app.url },
          { ...person, password: WRONG },
          { headers: fromElsewhere(), signal: AbortSignal.timeout(20) },
        ).catch(() => undefined),
      ),
    );
    await eventually(async () => {
      const rows = await app.database.query('SELECT 1 FROM audit_logs WHERE subject_id = $1', [person.id]);
      const response = await attemptSignIn(app, person, { headers: fromElsewhere() });
      await response.text();
      return rows.length > 0 || response.status === 429;
    });
  });
});
