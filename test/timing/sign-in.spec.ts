import { hashSync } from 'bcryptjs';
import { SignInDigests } from '../../src/identity/sign-in/sign-in-digests.js';
import { normalizedPassword, preHash } from '../../src/identity/users/password-text.js';
import { newId } from '../../src/kernel/ids.js';
import { Secret } from '../../src/kernel/secret.js';
import { startApp, type TestApp } from '../support/app.js';
import { attemptSignIn, buildUser, CookieJar, PASSWORD, signIn } from '../support/people.js';
import { fromElsewhere } from '../support/sign-in-fleet.js';

const SAMPLES = 200;
const ATTEMPTS = 3;
/** Low, so that whatever else is done differently shows beside it. */
const COST = 6;
/** How far the median of one kind of refusal may be from the median of all. */
const RATIO = 1.1;
const WRONG = 'a wrong password of some length';

let app: TestApp;

beforeAll(async () => {
  app = await startApp({
    settings: {
      TRUSTED_PROXIES: '127.0.0.1',
      PASSWORD_BCRYPT_COST: String(COST),
      RATE_LIMITS: 'login=1000000/60,general.paid=1000000/3600',
    },
  });
});
afterAll(() => app?.stop());

interface Kind {
  readonly emails: readonly string[];
  readonly password: string;
  readonly cookie?: string;
}

/** So many users of a kind at once, all with one hash of `PASSWORD`. */
async function usersOf(
  name: string,
  user: { status?: string; verified?: boolean; hash?: string | null } = {},
): Promise<string[]> {
  const emails = Array.from({ length: SAMPLES }, (_, index) => `${name}.${index}@example.test`);
  const { status = 'active', verified = true, hash = hashOf(COST) } = user;
  await app.database.query(
    `INSERT INTO users (id, email, email_key, name, status, email_verified_at, password_hash, password_changed_at)
     SELECT id, email, email, 'x', $3, CASE WHEN $4::boolean THEN now() END, $5, now()
     FROM unnest($1::text[], $2::text[]) AS u (id, email)`,
    [emails.map(() => newId('usr')), emails, status, verified, hash],
  );
  return emails;
}

function hashOf(cost: number): string {
  const normalized = normalizedPassword(new Secret(PASSWORD)) as Secret;
  return hashSync(preHash(normalized).reveal(), cost);
}

/** Medians of what a sign-in of each kind takes, in milliseconds, their samples taken in turns in another order each time. */
async function mediansOf(kinds: ReadonlyMap<string, Kind>, expected: number): Promise<Map<string, number>> {
  const samples = new Map([...kinds.keys()].map((name) => [name, [] as number[]]));
  for (let index = 0; index < SAMPLES; index += 1) {
    const order = [...kinds].sort(() => Math.random() - 0.5);
    for (const [name, { emails, password, cookie }] of order) {
      const headers = { ...fromElsewhere(), ...(cookie !== undefined && { cookie }) };
      const started = performance.now();
      const response = await attemptSignIn(app, { email: emails[index] ?? '', password }, { headers });
      await response.text();
      samples.get(name)?.push(performance.now() - started);
      expect(response.status).toBe(expected);
    }
  }
  return new Map([...samples].map(([name, times]) => [name, median(times)]));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2;
}

/** The kinds whose median is apart from that of all of them. */
function apartIn(medians: ReadonlyMap<string, number>): string[] {
  const usual = median([...medians.values()]);
  return [...medians].flatMap(([name, time]) => {
    if (time > usual * RATIO) return [`${name} takes longer`];
    return time * RATIO < usual ? [`${name} takes less time`] : [];
  });
}

/** What a busy machine does falls on another kind the next time; what the code does falls on the same. */
async function expectAlike(kinds: ReadonlyMap<string, Kind>, expected: number, again?: () => Promise<unknown>) {
  let apart: string[] | null = null;
  let medians = new Map<string, number>();
  for (let attempt = 1; attempt <= ATTEMPTS && apart?.length !== 0; attempt += 1) {
    medians = await mediansOf(kinds, expected);
    const now = apartIn(medians);
    apart = apart === null ? now : apart.filter((each) => now.includes(each));
    await again?.();
  }
  // The medians are there to be read where it fails.
  expect({ apart, medians }).toEqual({ apart: [], medians });
}

it('a password that is looked at takes as long, whatever is wrong', async () => {
  const jar = new CookieJar();
  await signIn(app, await buildUser(app.database), { jar });
  const unknown = (name: string) => Array.from({ length: SAMPLES }, (_, index) => `${name}.${index}@example.test`);
  const kinds = new Map<string, Kind>([
    ['an unknown address', { emails: unknown('nobody'), password: WRONG }],
    ['a wrong password', { emails: await usersOf('active'), password: WRONG }],
    [
      'suspended, the right password',
      { emails: await usersOf('suspended', { status: 'suspended' }), password: PASSWORD },
    ],
    ['suspended, a wrong one', { emails: await usersOf('suspended.wrong', { status: 'suspended' }), password: WRONG }],
    [
      'not verified, the right password',
      { emails: await usersOf('unverified', { verified: false }), password: PASSWORD },
    ],
    [
      'invited, without a password',
      { emails: await usersOf('invited', { status: 'invited', hash: null }), password: PASSWORD },
    ],
    [
      'a wrong password, its hash of a lower cost',
      { emails: await usersOf('old', { hash: hashOf(COST - 2) }), password: WRONG },
    ],
    ['an unknown address, from a device', { emails: unknown('nobody.device'), password: WRONG, cookie: jar.header }],
    [
      'a wrong password, from a device of another',
      { emails: await usersOf('device'), password: WRONG, cookie: jar.header },
    ],
  ]);
  await expectAlike(kinds, 401, forget);
}, 600_000);

it('a refusal without looking takes as long, whether somebody has the address or not', async () => {
  const known = await usersOf('locked');
  const unknown = Array.from({ length: SAMPLES }, (_, index) => `locked.nobody.${index}@example.test`);
  const digests = app.app.get(SignInDigests, { strict: false });
  await app.database.query(
    `INSERT INTO sign_in_attempts (account, address, at, decided_at)
     SELECT account, 'elsewhere', now(), now() FROM unnest($1::text[]) AS account, generate_series(1, 12)`,
    [[...known, ...unknown].map((email) => digests.account(email))],
  );
  const kinds = new Map<string, Kind>([
    ['a known address', { emails: known, password: PASSWORD }],
    ['an unknown address', { emails: unknown, password: PASSWORD }],
  ]);
  await expectAlike(kinds, 429);
}, 120_000);

/** As if nothing had been tried yet. */
function forget(): Promise<unknown> {
  return app.database.query('DELETE FROM sign_in_attempts');
}
