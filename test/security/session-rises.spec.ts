import { hashOfSecret, SESSION_COOKIE } from '../../src/identity/sessions/session-cookie.js';
import { Secret } from '../../src/kernel/secret.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import { buildUser, CookieJar, PASSWORD, type Person, type SignedInPerson, signIn } from '../support/people.js';

const NEXT = 'quiet meadow-87 brass lantern';
const WRONG = 'a wrong password of some length';

let fleet: Fleet;
let here: TestApp;
let there: TestApp;
let person: Person;

beforeAll(async () => {
  fleet = await startFleet({
    settings: { RATE_LIMITS: 'login=1000000/60,general.paid=1000000/60', BCRYPT_QUEUE: '1000' },
  });
  [here, there] = fleet.members;
});
beforeEach(async () => {
  person = await buildUser(fleet.database);
});
afterAll(() => fleet?.stop());

const reauthenticate = (one: SignedInPerson, at = here, password = PASSWORD) =>
  one.fetch('/api/v1/auth/reauthenticate', { method: 'POST', json: { password } }, at);
const changePassword = (one: SignedInPerson, at = here, next = NEXT) =>
  one.fetch('/api/v1/me/password', { method: 'POST', json: { current_password: PASSWORD, new_password: next } }, at);
const seesIt = (cookie: string) =>
  Promise.all(
    fleet.members.map(async ({ url }) => (await fetch(`${url}/api/v1/whoami`, { headers: { cookie } })).status),
  );
/** The browser of somebody after it was given `response`. */
const jarAfter = ({ jar }: Pick<SignedInPerson, 'jar'>, ...responses: Response[]) => {
  const after = new CookieJar();
  for (const [name, value] of jar.cookies) after.cookies.set(name, value);
  for (const response of responses) after.keep(response);
  return after;
};
const secretIn = ({ cookies }: CookieJar) => new Secret(cookies.get(SESSION_COOKIE)?.split('.')[2] ?? '');
const storedHash = async (sessionId: string) =>
  (
    await fleet.database.query<{ secret_hash: string }>('SELECT secret_hash FROM sessions WHERE id = $1', [sessionId])
  )[0]?.secret_hash;
const wrongGuesses = () =>
  fleet.database.query('SELECT 1 FROM sign_in_attempts WHERE decided_at IS NOT NULL AND NOT forgiven');
const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code?: string }).code];

describe.each([
  ['proving anew who one is', reauthenticate],
  ['a new password', changePassword],
] as const)('a cookie from before %s', (_name, rise) => {
  it('is dead on every replica once the answer is there, and so is its CSRF token: no fixation', async () => {
    const victim = await signIn(here, person, { mode: 'cookie' });
    // Somebody else has had a copy of it all along, and has used it everywhere.
    const stolen = victim.jar.header;
    expect(await seesIt(stolen)).toEqual([200, 200, 200]);
    const response = await rise(victim, there);
    expect(response.status).toBe(200);
    expect(await seesIt(stolen)).toEqual([401, 401, 401]);
    const { csrf_token } = (await response.clone().json()) as { csrf_token: string };
    const { header: cookie } = jarAfter(victim, response);
    expect(await seesIt(cookie)).toEqual([200, 200, 200]);
    const end = (token: string) =>
      fetch(`${here.url}/api/v1/sessions?except=current`, {
        method: 'DELETE',
        headers: { cookie, 'x-csrf-token': token },
      });
    expect(await codeOf(await end(victim.csrfToken))).toEqual([403, 'csrf_failed']);
    expect((await end(csrf_token)).status).toBe(204);
    expect(await codeOf(await rise(victim))).toEqual([401, 'invalid_session']);
  });

  it('stays dead with Redis flushed', async () => {
    const victim = await signIn(here, person, { mode: 'cookie' });
    const response = await rise(victim);
    await fleet.redis.client.flushdb();
    expect(await seesIt(victim.jar.header)).toEqual([401, 401, 401]);
    expect(await seesIt(jarAfter(victim, response).header)).toEqual([200, 200, 200]);
  });

  it('dies while Redis is away, too', async () => {
    const victim = await signIn(here, person, { mode: 'cookie' });
    expect(await seesIt(victim.jar.header)).toEqual([200, 200, 200]);
    await Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()));
    try {
      const response = await rise(victim);
      expect([200, 202]).toContain(response.status);
      await eventually(async () => (await seesIt(victim.jar.header)).every((status) => status === 401));
      expect(await seesIt(jarAfter(victim, response).header)).toEqual([200, 200, 200]);
    } finally {
      await Promise.all(fleet.members.map(({ toRedis }) => toRedis.heal()));
    }
  });

  it('lives on when nothing came of it: PostgreSQL away', async () => {
    const victim = await signIn(here, person, { mode: 'cookie' });
    await Promise.all(fleet.members.map(({ toPostgres }) => toPostgres.refuse()));
    try {
      const response = await rise(victim);
      expect([response.status, response.headers.getSetCookie()]).toEqual([503, []]);
    } finally {
      await Promise.all(fleet.members.map(({ toPostgres }) => toPostgres.heal()));
    }
    await eventually(async () => (await seesIt(victim.jar.header)).every((status) => status === 200));
  });

  it('lives on when nothing came of it: no line in the audit log', async () => {
    const victim = await signIn(here, person, { mode: 'cookie' });
    await fleet.database.query('ALTER TABLE audit_logs RENAME TO audit_logs_away');
    try {
      const response = await rise(victim);
      expect([response.status, response.headers.getSetCookie()]).toEqual([503, []]);
    } finally {
      await fleet.database.query('ALTER TABLE audit_logs_away RENAME TO audit_logs');
    }
    await eventually(async () => (await seesIt(victim.jar.header)).every((status) => status === 200));
    await eventually(async () => (await rise(victim)).status === 200);
    // The password was right: it counts as no guess.
    expect(await wrongGuesses()).toEqual([]);
  });
});

describe('two hundred at once with one cookie', () => {
  /** On a machine that is busy with it some wait too long for their turn, or cannot be told apart in time. */
  const REFUSED = ['401 invalid_session', '429 rate_limited', '503 auth_unavailable'];

  /** What one browser holds after all answers came, in whatever order. */
  const lastOf = (one: SignedInPerson, responses: Response[]) => {
    const [forth, back] = [jarAfter(one, ...responses), jarAfter(one, ...responses.toReversed())];
    expect(forth.header).toBe(back.header);
    return forth;
  };

  async function assertOneCookie(one: SignedInPerson, responses: Response[]): Promise<void> {
    const risen = responses.filter(({ status }) => status < 300);
    expect(risen).toHaveLength(1);
    const jar = lastOf(one, responses);
    expect(await seesIt(jar.header)).toEqual([200, 200, 200]);
    expect(await seesIt(one.jar.header)).toEqual([401, 401, 401]);
    expect(await storedHash(one.sessionId)).toBe(hashOfSecret(secretIn(jar)));
    for (const response of responses.filter((each) => !risen.includes(each)))
      expect(response.headers.getSetCookie()).toEqual([]);
  }

  it('of proofs are one new cookie, and refusals, none of which counts as a guess', async () => {
    const one = await signIn(here, person, { mode: 'cookie' });
    const responses = await Promise.all(
      Array.from({ length: 200 }, (_, index) => reauthenticate(one, fleet.members[index % 3])),
    );
    await assertOneCookie(one, responses);
    const others = responses.filter(({ status }) => status !== 200);
    for (const response of others) expect(REFUSED).toContain((await codeOf(response)).join(' '));
    const proofs = await fleet.database.query(
      `SELECT 1 FROM audit_logs WHERE action = 'user.reauthenticate' AND subject_id = $1`,
      [person.id],
    );
    expect(proofs).toHaveLength(1);
    expect(await wrongGuesses()).toEqual([]);
  });

  it('of proofs and new passwords are one new cookie', async () => {
    const one = await signIn(here, person, { mode: 'cookie' });
    const responses = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        index % 2
          ? reauthenticate(one, fleet.members[index % 3])
          : changePassword(one, fleet.members[index % 3], `${NEXT} ${index}`),
      ),
    );
    await assertOneCookie(one, responses);
    for (const { status } of responses) expect([200, 400, 401, 409, 429, 503]).toContain(status);
  });

  it('of tokens are as many proofs, and end nothing', async () => {
    const one = await signIn(here, person);
    const responses = await Promise.all(
      Array.from({ length: 200 }, (_, index) => reauthenticate(one, fleet.members[index % 3])),
    );
    const refused = responses.filter(({ status }) => status !== 200);
    for (const response of refused) expect(REFUSED).toContain((await codeOf(response)).join(' '));
    expect(refused.length).toBeLessThan(100);
    expect((await one.fetch('/api/v1/whoami', {}, there)).status).toBe(200);
  });
});

describe('a proof', () => {
  it('that was overtaken by a new password is none, and counts as a guess', async () => {
    const one = await signIn(here, person, { mode: 'cookie' });
    const risen = await here.app.get(Transactions, { strict: false }).run(async (transaction) => {
      await transaction.query(`UPDATE users SET password_changed_at = now() + interval '1 second' WHERE id = $1`, [
        person.id,
      ]);
      const asking = reauthenticate(one, there);
      await eventually(async () => {
        const waiting = await fleet.database.query(
          `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE%'`,
        );
        return waiting.length > 0;
      });
      return { asking };
    });
    const response = await risen.asking;
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(await codeOf(response)).toEqual([401, 'invalid_login']);
    const [event] = await fleet.database.query(
      `SELECT details FROM audit_logs WHERE action = 'user.sign_in_failed' AND subject_id = $1`,
      [person.id],
    );
    expect(event).toMatchObject({ details: { reason: 'changed_meanwhile' } });
    expect(await seesIt(one.jar.header)).toEqual([200, 200, 200]);
  });

  it('needs the CSRF token of its session, before the password is looked at', async () => {
    const one = await signIn(here, person, { mode: 'cookie' });
    for (const password of [PASSWORD, WRONG]) {
      const response = await fetch(`${here.url}/api/v1/auth/reauthenticate`, {
        method: 'POST',
        headers: { cookie: one.jar.header, 'content-type': 'application/json' },
        body: JSON.stringify({ password }),
      });
      expect(await codeOf(response)).toEqual([403, 'csrf_failed']);
    }
    expect(await seesIt(one.jar.header)).toEqual([200, 200, 200]);
  });

  it("is of one's own password: another's is wrong", async () => {
    const other = await buildUser(fleet.database, { password: NEXT });
    const one = await signIn(here, person, { mode: 'cookie' });
    expect(await codeOf(await reauthenticate(one, here, other.password))).toEqual([401, 'invalid_login']);
  });
});
