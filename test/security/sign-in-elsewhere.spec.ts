import { SignInCleanup } from '../../src/identity/sign-in/sign-in-cleanup.js';
import { SignInDigests } from '../../src/identity/sign-in/sign-in-digests.js';
import { SignInRecoveriesRepository } from '../../src/identity/sign-in/sign-in-recoveries.repository.js';
import { emailKeyOf } from '../../src/identity/users/email-address.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { attemptSignIn, buildUser, type Person, type SignedInPerson, signIn } from '../support/people.js';
import { fromElsewhere, later, type SignInFleet, startSignInFleet } from '../support/sign-in-fleet.js';

const WRONG = 'a wrong password of some length';
const NEXT = 'amber lantern-77 slow ferry';

let fleet: SignInFleet;
let app: TestApp;
let person: Person;
let signedIn: SignedInPerson;

beforeAll(async () => {
  fleet = await startSignInFleet(2);
  app = fleet.apps[0];
});
beforeEach(async () => {
  person = await buildUser(app.database);
  signedIn = await signIn(app, person, { headers: fromElsewhere() });
  fleet.hashes();
});
afterAll(() => fleet?.stop());

async function changePassword(current: string, at = app, next = NEXT): Promise<[number, string | undefined]> {
  const json = { current_password: current, new_password: next };
  const response = await signedIn.fetch('/api/v1/me/password', { method: 'POST', json }, at);
  const text = await response.text();
  return [response.status, text === '' ? undefined : (JSON.parse(text) as { code: string }).code];
}

async function reauthenticate(password: string, at = app): Promise<[number, string | undefined]> {
  const response = await signedIn.fetch('/api/v1/auth/reauthenticate', { method: 'POST', json: { password } }, at);
  return [response.status, ((await response.json()) as { code?: string }).code];
}

/** So many wrong passwords of strangers, an hour ago. */
async function strangers(count: number): Promise<void> {
  const account = app.app.get(SignInDigests, { strict: false }).account(emailKeyOf(person.email));
  await app.database.query(
    `INSERT INTO sign_in_attempts (account, address, at, decided_at)
     SELECT $1, 'elsewhere', now() - interval '1 hour', now() - interval '1 hour' FROM generate_series(1, $2::int)`,
    [account, count],
  );
}

describe('a password that is asked for within a session', () => {
  it('is no other door for guessing it', async () => {
    const answers = [];
    for (let index = 0; index < 4; index += 1) answers.push(await changePassword(WRONG, fleet.at(index)));
    expect(answers).toEqual([
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [429, 'rate_limited'],
    ]);
    expect(fleet.hashes()).toBe(3);
    await Promise.all(Array.from({ length: 100 }, (_, index) => changePassword(WRONG, fleet.at(index))));
    // One for each second that went by.
    expect(fleet.hashes()).toBeLessThanOrEqual(1);
  });

  it('is counted together, whatever it is asked for', async () => {
    const answers = [
      await reauthenticate(WRONG, fleet.at(0)),
      await changePassword(WRONG, fleet.at(1)),
      await reauthenticate(WRONG, fleet.at(1)),
      await reauthenticate(person.password, fleet.at(0)),
    ];
    expect(answers).toEqual([
      [401, 'invalid_login'],
      [400, 'invalid_request'],
      [401, 'invalid_login'],
      [429, 'rate_limited'],
    ]);
    expect(fleet.hashes()).toBe(3);
    await Promise.all(Array.from({ length: 200 }, (_, index) => reauthenticate(WRONG, fleet.at(index))));
    // One for each second that went by.
    expect(fleet.hashes()).toBeLessThanOrEqual(1);
    // Signing in is not held up by it, and ends the delays.
    const elsewhere = await attemptSignIn(app, person, { jar: signedIn.jar });
    expect(elsewhere.status).toBe(200);
    await eventually(async () => (await reauthenticate(person.password))[0] === 200);
  });

  it('is looked at ten times a day, and leaves the devices theirs', async () => {
    for (let index = 0; index < 25; index += 1) {
      await app.database.query(`UPDATE sign_in_attempts SET forgiven = true WHERE device IS NOT NULL`);
      await changePassword(WRONG, fleet.at(index));
    }
    expect(fleet.hashes()).toBe(10);
    expect((await signedIn.fetch('/api/v1/whoami')).status).toBe(200);
    expect((await attemptSignIn(app, person, { jar: signedIn.jar })).status).toBe(200);
    expect((await attemptSignIn(app, person, { headers: fromElsewhere() })).status).toBe(200);
  });

  it('is the way out for an owner whose account strangers keep busy', async () => {
    await strangers(80);
    expect((await attemptSignIn(app, person, { headers: fromElsewhere() })).status).toBe(429);
    expect((await changePassword(person.password))[0]).toBeLessThan(300);
  });

  it('costs nothing when it is right, and ends the delays', async () => {
    await changePassword(WRONG);
    await changePassword(WRONG);
    expect((await changePassword(person.password))[0]).toBeLessThan(300);
    const counted = await app.database.query(`SELECT forgiven FROM sign_in_attempts WHERE account = $1`, [
      app.app.get(SignInDigests, { strict: false }).account(emailKeyOf(person.email)),
    ]);
    expect(counted).toEqual([{ forgiven: true }, { forgiven: true }]);
  });
});

describe('where a new password was set by mail', () => {
  it('is a known place for an hour, and then forgotten', async () => {
    const recoveries = app.app.get(SignInRecoveriesRepository, { strict: false });
    const remember = (address: string) =>
      app.app.get(Transactions, { strict: false }).run((each) => recoveries.remember(person.id, address, each));
    await remember('192.0.2.7');
    await remember('192.0.2.7');
    await remember('2001:db8:0:1::/64');
    await strangers(80);
    const from = (address: string) => attemptSignIn(app, person, { headers: { 'x-forwarded-for': address } });
    expect((await from('192.0.2.7')).status).toBe(200);
    expect((await from('2001:db8:0:1::77')).status).toBe(200);
    expect((await from('2001:db8:0:2::77')).status).toBe(429);
    await app.database.query(`UPDATE sign_in_recoveries SET until = until - interval '61 minutes'`);
    expect((await from('192.0.2.7')).status).toBe(429);
    await app.app.get(SignInCleanup, { strict: false }).run();
    expect(await app.database.query('SELECT 1 FROM sign_in_recoveries')).toEqual([]);
  });
});

describe('what no counter looks at any more', () => {
  it('is removed', async () => {
    await strangers(3);
    await later(app, 86_400);
    await app.app.get(SignInCleanup, { strict: false }).run();
    expect(await app.database.query(`SELECT 1 FROM sign_in_attempts WHERE address = 'elsewhere'`)).toEqual([]);
  });
});
