import { hash, randomBytes } from 'node:crypto';
import { SignInDigests } from '../../src/identity/sign-in/sign-in-digests.js';
import { emailKeyOf } from '../../src/identity/users/email-address.js';
import type { TestApp } from '../support/app.js';
import { attemptSignIn, buildUser, CookieJar, type Person, signIn } from '../support/people.js';
import { fromElsewhere, later, type SignInFleet, startSignInFleet } from '../support/sign-in-fleet.js';

let fleet: SignInFleet;
let person: Person;

beforeAll(async () => {
  fleet = await startSignInFleet(3);
}, 60_000);
beforeEach(async () => {
  person = await buildUser(fleet.apps[0].database);
  fleet.hashes();
});
afterAll(() => fleet?.stop());

const WRONG = 'a wrong password of some length';

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryAfter: number;
}

async function answerOf(response: Response): Promise<Answer> {
  const { code, detail } = (await response.json()) as { code: string; detail: string };
  return { status: response.status, code, detail, retryAfter: Number(response.headers.get('retry-after')) };
}

/** Wrong passwords, all at once, each from another address and in turns over the replicas. */
async function guess(
  count: number,
  email = person.email,
  at: (index: number) => TestApp = fleet.at,
): Promise<Answer[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) =>
      answerOf(await attemptSignIn(at(index), { email, password: WRONG }, { headers: fromElsewhere() })),
    ),
  );
}

function countsOf(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** As many wrong passwords of strangers as are looked at in a day, but for `left`; the last a while ago. */
async function exhaust(email = person.email, left = 0): Promise<string> {
  const account = fleet.apps[0].app.get(SignInDigests, { strict: false }).account(emailKeyOf(email));
  await fleet.apps[0].database.query(
    `INSERT INTO sign_in_attempts (account, address, at, decided_at)
     SELECT $1, 'elsewhere', now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, $2::int)`,
    [account, 80 - left],
  );
  return account;
}

describe('guesses of strangers', () => {
  it.each([
    ['of an account that exists', () => person.email],
    ['of one that does not', () => `nobody.${person.email}`],
  ])(
    '%s: of a thousand at once over three replicas ten are looked at',
    async (_, email) => {
      const counts = countsOf(await guess(1_000, email()));
      const hashes = fleet.hashes();
      expect(hashes).toBeGreaterThanOrEqual(3);
      expect(hashes).toBeLessThanOrEqual(10);
      expect(counts).toEqual({ 401: hashes, 429: 1_000 - hashes });
    },
    60_000,
  );

  it('are refused with when to come back, whatever the account', async () => {
    const refusals = [];
    for (const email of [person.email, `nobody.${person.email}`]) {
      for (let index = 0; index < 4; index += 1) {
        const response = await attemptSignIn(fleet.at(0), { email, password: WRONG }, { headers: fromElsewhere() });
        const headers = Object.fromEntries(response.headers);
        if (index < 3) expect(response.status).toBe(401);
        else refusals.push({ names: Object.keys(headers).sort(), ...(await answerOf(response)) });
      }
    }
    expect(refusals[0]).toEqual(refusals[1]);
    expect(refusals[0]).toMatchObject({ status: 429, code: 'rate_limited', retryAfter: 1 });
    expect(refusals[0]?.detail).toMatch(
      /^Too many wrong passwords were tried\. Try again in 1 second, sign in on a device/,
    );
  });

  it.each([0, 1, 2])(
    'never add up to more in a day than may be looked at: %i left, Redis emptied all the while',
    async (left) => {
      await exhaust(person.email, left);
      let hashes = 0;
      for (let round = 0; round < 3; round += 1) {
        await fleet.apps[0].redis?.client.flushdb();
        // Another replica each time: what one believes of a refusal it believes for a second.
        const answers = await guess(100, person.email, () => fleet.at(round));
        hashes += fleet.hashes();
        await later(fleet.apps[0], 900);
        expect(countsOf(answers)[429]).toBeGreaterThanOrEqual(100 - left);
      }
      expect(hashes).toBe(left);
    },
  );

  it('cost nothing when the password was right', async () => {
    for (let index = 0; index < 30; index += 1)
      expect((await attemptSignIn(fleet.at(index), person, { headers: fromElsewhere() })).status).toBe(200);
    const account = await exhaust(person.email, 80);
    expect(await fleet.apps[0].database.query('SELECT 1 FROM sign_in_attempts WHERE account = $1', [account])).toEqual(
      [],
    );
  });
});

describe('the owner, while strangers guess', () => {
  it('signs in on a known device, keeps sessions, tokens and keys', async () => {
    const jar = new CookieJar();
    const here = await signIn(fleet.at(0), person, { jar });
    const browser = await signIn(fleet.at(0), person, { mode: 'cookie' });
    const client = await fleet.at(0).createClient();
    await fleet.apps[0].database.query('UPDATE clients SET owner_id = $1 WHERE client_id = $2', [
      person.id,
      client.clientId,
    ]);
    const counts = countsOf(await guess(200));
    expect(counts[200]).toBeUndefined();
    await exhaust();

    for (const app of fleet.apps) {
      expect((await attemptSignIn(app, person, { jar })).status).toBe(200);
      expect((await here.fetch('/api/v1/whoami', {}, app)).status).toBe(200);
      expect((await browser.fetch('/api/v1/whoami', {}, app)).status).toBe(200);
      const byKey = await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': client.apiKey } });
      expect(byKey.status).toBe(200);
    }
    const elsewhere = await attemptSignIn(fleet.at(0), person, { headers: fromElsewhere() });
    expect(elsewhere.status).toBe(429);
    expect(Number(elsewhere.headers.get('retry-after'))).toBeGreaterThan(3_600);
  }, 120_000);

  it('has three free errors on the known device, too, and a delay of its own', async () => {
    const jar = new CookieJar();
    await signIn(fleet.at(0), person, { jar });
    await exhaust();
    const statuses = [];
    for (let index = 0; index < 4; index += 1)
      statuses.push((await attemptSignIn(fleet.at(0), { ...person, password: WRONG }, { jar })).status);
    expect(statuses).toEqual([401, 401, 401, 429]);
    await later(fleet.apps[0], 1);
    expect((await attemptSignIn(fleet.at(1), person, { jar })).status).toBe(200);
  }, 60_000);

  it("is helped by nobody else's device, nor by a cookie that was made up or changed", async () => {
    const jar = new CookieJar();
    await signIn(fleet.at(0), await buildUser(fleet.apps[0].database), { jar });
    const own = new CookieJar();
    await signIn(fleet.at(0), person, { jar: own });
    await exhaust();
    const [name = '', value = ''] = [...own.cookies][0] ?? [];
    const id = value.split('.', 1)[0];
    for (const cookie of [
      jar.header,
      `${name}=${id}`,
      `${name}=${id}.`,
      `${name}=${id}.${'A'.repeat(43)}`,
      `${name}=x${value}`,
    ]) {
      const response = await attemptSignIn(fleet.at(0), person, { headers: { cookie, ...fromElsewhere() } });
      expect([cookie.slice(0, 30), response.status]).toEqual([cookie.slice(0, 30), 429]);
    }
    expect((await attemptSignIn(fleet.at(0), person, { jar: own })).status).toBe(200);
  }, 60_000);

  it('gets in from where they set a new password by mail', async () => {
    await exhaust();
    const home = fromElsewhere();
    expect((await attemptSignIn(fleet.at(0), person, { headers: home })).status).toBe(429);
    const password = await resetPassword(person, home);
    expect((await attemptSignIn(fleet.at(1), { ...person, password }, { headers: fromElsewhere() })).status).toBe(429);
    expect((await attemptSignIn(fleet.at(2), { ...person, password }, { headers: home })).status).toBe(200);
  }, 60_000);
});

describe('what is written down', () => {
  it('is each failure, the lockout once, and no password or address that was typed', async () => {
    const { database } = fleet.apps[0];
    const typed = `Somebody.Else+${person.email}`;
    for (const email of [person.email, typed]) {
      for (let index = 0; index < 14; index += 1) {
        await later(fleet.apps[0], 900);
        await attemptSignIn(
          fleet.at(index),
          { email, password: WRONG },
          { headers: { 'x-forwarded-for': '192.0.2.9' } },
        );
        await later(fleet.apps[0], 3_600);
      }
    }
    const rows = await database.query<{ action: string; details: { account: string; reason: string } }>(
      `SELECT action, actor_type, subject_id, outcome, address, details FROM audit_logs WHERE address = '192.0.2.9' ORDER BY id`,
    );
    const failed = rows.filter(({ action }) => action === 'user.sign_in_failed');
    expect(failed).toHaveLength(28);
    expect(failed[0]).toEqual({
      action: 'user.sign_in_failed',
      actor_type: 'anonymous',
      subject_id: person.id,
      outcome: 'failed',
      address: '192.0.2.9',
      details: { account: expect.stringMatching(/^[\w-]{16}$/), reason: 'wrong_password', known_device: false },
    });
    expect(failed[27]).toMatchObject({ subject_id: null, details: { reason: 'unknown_user' } });
    expect(failed[27]?.details.account).not.toBe(failed[0]?.details.account);
    const locked = rows.filter(({ action }) => action === 'user.locked_out');
    expect(locked.map(({ details }) => [details.account, details.reason])).toEqual([
      [failed[0]?.details.account, 'delay'],
      [failed[27]?.details.account, 'delay'],
    ]);
    const everything = JSON.stringify([rows, await database.query('SELECT * FROM sign_in_attempts')]);
    expect(everything).not.toContain(WRONG);
    expect(everything.toLowerCase()).not.toContain(typed.toLowerCase());
  });

  it('is how many ended how, with nobody named', async () => {
    await guess(5);
    await attemptSignIn(fleet.at(0), person, { headers: fromElsewhere() });
    const watcher = await fleet.at(0).createClient({ scopes: ['metrics:read'] });
    const response = await fetch(`${fleet.at(0).url}/metrics`, { headers: { 'x-api-key': watcher.apiKey } });
    const text = await response.text();
    expect(text).toMatch(/^core_nest_sign_ins_total\{outcome="succeeded"\} [1-9]\d*$/m);
    expect(text).toMatch(/^core_nest_sign_ins_total\{outcome="failed"\} [1-9]\d*$/m);
    expect(text).toMatch(/^core_nest_sign_ins_total\{outcome="refused"\} [1-9]\d*$/m);
    expect(text).toMatch(/^core_nest_sign_ins_total\{outcome="errors"\} \d+$/m);
    expect(text).toMatch(/^core_nest_sign_in_attempts_refused_total\{counter="account"\} [1-9]\d*$/m);
    expect(text).not.toContain(person.id);
    expect(text).not.toContain(person.email);
  });
});

/** Sets a new password with the token of a mail, from this address. */
async function resetPassword({ id, email }: Person, headers: Record<string, string>): Promise<string> {
  const token = `ott_${randomBytes(32).toString('base64url')}`;
  await fleet.apps[0].database.query(
    `INSERT INTO one_time_tokens (token_hash, purpose, user_id, email, expires_at)
     VALUES ($1, 'reset_password', $2, $3, now() + interval '1 hour')`,
    [hash('sha256', token, 'base64url'), id, email],
  );
  const password = 'amber lantern-77 slow ferry';
  const response = await fetch(`${fleet.at(0).url}/api/v1/auth/reset-password`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ token, password }),
  });
  expect([204, 202]).toContain(response.status);
  return password;
}
