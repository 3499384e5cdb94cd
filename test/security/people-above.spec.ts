import { templateId } from '../../src/identity/access/roles/role-templates.js';
import { newId } from '../../src/kernel/ids.js';
import { buildGrant, buildSession, buildUser, PASSWORD, type Person } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';
import { type ApiAnswer, ask, type SignedIn, signedIn } from '../support/signed-in.js';
import { storedRows } from '../support/stored-rows.js';

/** Holds everything about people, their sessions and tokens, and nothing of what those people work with. */
const CLERK = ['users:admin', 'sessions:read', 'sessions:delete', 'tokens:read', 'tokens:delete', 'api_keys:admin'];

let people: PeopleApp;
let clerk: SignedIn;
/** A key of somebody who may do everything, made for a clerk's work. */
let keyOfOwner: string;

beforeAll(async () => {
  people = await startPeopleApp();
  const { status } = await people.call('POST', '/api/v1/roles', { name: 'clerk', permissions: CLERK });
  expect(status).toBe(201);
  clerk = await signedIn(people.core, { roles: ['clerk'] });
  const owner = await buildUser(people.core.database, { roles: ['owner'] });
  keyOfOwner = (await people.core.createClient({ ownerId: owner.id, scopes: CLERK })).apiKey;
});
afterAll(() => people?.stop());

const as = (credential: string, method: string, path: string, body?: unknown) =>
  ask(people.core.url, credential, method, `/api/v1/${path}`, body);
const above = () => buildUser(people.core.database, { roles: ['viewer'] });

function expectRefused({ status, body }: ApiAnswer, permission = 'clients:read') {
  expect([status, body.code]).toEqual([403, 'permission_denied']);
  expect(body.detail).toContain(`"${permission}"`);
}

describe('nobody touches who holds more than they do', () => {
  const WAYS: Readonly<Record<string, (credential: string, person: Person) => Promise<ApiAnswer>>> = {
    renamed: (credential, { id }) => as(credential, 'PATCH', `users/${id}`, { name: 'Taken' }),
    'moved to a tier': (credential, { id }) => as(credential, 'PATCH', `users/${id}`, { tier: 'free' }),
    suspended: (credential, { id }) => as(credential, 'PATCH', `users/${id}`, { status: 'suspended' }),
    removed: (credential, { id }) => as(credential, 'DELETE', `users/${id}`),
    'removed, with the keys handed to whoever does it': (credential, { id }) =>
      as(credential, 'DELETE', `users/${id}?hand_over_to=${clerk.id}`),
  };

  it.each(Object.entries(WAYS))('none is %s, by a person or a key made for that much', async (_way, change) => {
    const person = await above();
    const before = await storedRows(people.core.database);
    for (const credential of [clerk.token, keyOfOwner]) expectRefused(await change(credential, person));
    expect(await storedRows(people.core.database)).toEqual(before);
  });

  it.each(Object.entries(WAYS))('who holds as much or less is %s', async (_way, change) => {
    const peer = await buildUser(people.core.database, { roles: ['clerk'] });
    expect((await change(clerk.token, peer)).status).toBeLessThan(300);
  });

  it('whatever the scope, the conditions and the end of what they hold', async () => {
    const { database } = people.core;
    const rename = async (grant: Parameters<typeof buildGrant>[2]) => {
      const { id } = await buildUser(database);
      await buildGrant(database, id, grant);
      return as(clerk.token, 'PATCH', `users/${id}`, { name: 'Taken' });
    };
    expectRefused(await rename({ role: 'viewer', scope: { type: 'client', id: 'cn_live_000000000000' } }));
    expectRefused(await rename({ role: 'viewer', conditions: { mfa: true } }));
    expectRefused(await rename({ role: 'viewer', expiresAt: new Date(Date.now() + 60_000) }));
    expectRefused(await rename({ role: 'owner' }), 'admin');
    expect((await rename({ role: 'viewer', expiresAt: new Date(Date.now() - 60_000) })).status).toBe(200);
    expect((await rename({ role: 'viewer', effect: 'deny' })).status).toBe(200);
  });

  it('but themselves, though they hold it for some objects alone', async () => {
    const person = await signedIn(people.core);
    await buildGrant(people.core.database, person.id, {
      role: 'admin',
      scope: { type: 'resource', resource: 'users', id: person.id },
    });
    expect((await as(person.token, 'PATCH', `users/${person.id}`, { name: 'Mine' })).status).toBe(200);
  });

  it('nor sends them another invitation', async () => {
    const invited = await buildUser(people.core.database, { status: 'invited', password: null, roles: ['viewer'] });
    expectRefused(await as(clerk.token, 'POST', `users/${invited.id}/invitation`));
    expect(await people.core.database.query('SELECT FROM mail_outbox')).toEqual([]);
  });

  it('nor makes them heir of keys whose secrets somebody else knows', async () => {
    const [leaving, heir] = [await buildUser(people.core.database), await above()];
    const key = await people.core.createClient({ ownerId: leaving.id, scopes: ['clients:read'] });
    expectRefused(await as(clerk.token, 'DELETE', `users/${leaving.id}?hand_over_to=${heir.id}`));
    expect((await as(key.apiKey, 'GET', 'clients')).status).toBe(403);
  });

  it('in a race with being given more', async () => {
    for (let round = 0; round < 20; round++) {
      const person = await buildUser(people.core.database);
      const [given, renamed] = await Promise.all([
        people.call('POST', `/api/v1/users/${person.id}/grants`, { role_id: templateId('viewer') }),
        as(clerk.token, 'PATCH', `users/${person.id}`, { name: 'Taken' }),
      ]);
      expect(given.status).toBe(201);
      expect([200, 202, 403]).toContain(renamed.status);
      expectRefused(await as(clerk.token, 'PATCH', `users/${person.id}`, { name: 'Later' }));
    }
  });
});

describe('making others heirs', () => {
  it('takes what giving a key to others takes', async () => {
    const { status } = await people.call('POST', '/api/v1/roles', { name: 'remover', permissions: ['users:admin'] });
    expect(status).toBe(201);
    const remover = await signedIn(people.core, { roles: ['remover'] });
    const remove = async (heirId: string) => {
      const { id } = await buildUser(people.core.database);
      return as(remover.token, 'DELETE', `users/${id}?hand_over_to=${heirId}`);
    };
    expectRefused(await remove((await buildUser(people.core.database)).id), 'api_keys:admin');
    expectRefused(await remove(newId('usr')), 'api_keys:admin');
    expect((await remove(remover.id)).status).toBe(204);
  });
});

describe('an account is not taken over by whoever manages users', () => {
  const FIELDS = ['email', 'password', 'email_verified_at', 'password_hash', 'current_password', 'new_password'];

  it.each(FIELDS)('there is no setting their %s', async (field) => {
    const person = await buildUser(people.core.database);
    const answer = await people.call('PATCH', `/api/v1/users/${person.id}`, { name: 'x', [field]: 'x@example.com' });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ location: `body.${field}`, message: 'is not a field of this request' }]);
  });

  it('a mail with a token goes to the address that the person has proved, whoever asks for it', async () => {
    const person = await buildUser(people.core.database, { email: `Ada.${Date.now()}@example.com` });
    const spelt = person.email.toUpperCase().replace('ADA', 'ＡＤＡ');
    expect((await people.post('/api/v1/auth/forgot-password', { email: spelt })).status).toBe(202);
    expect((await people.mailTo(person.email)).source).toContain(`To: ${person.email}`);
  });

  it('another address is theirs only by their own password, and a token of another is not theirs', async () => {
    const [thief, victim] = [await people.signedIn(), await people.signedIn()];
    const body = { current_password: 'not the password of anybody', email: 'thief@example.com' };
    expect((await people.call('POST', '/api/v1/me/email', body, victim.token)).status).toBe(400);
    const own = { ...body, current_password: PASSWORD };
    expect((await people.call('POST', '/api/v1/me/email', own, thief.token)).status).toBe(202);
    const token = await people.tokenTo('thief@example.com');
    const verified = await people.call('POST', '/api/v1/auth/verify-email', { token }, victim.token);
    expect(verified.body).toMatchObject({ user_id: thief.person.id, email: 'thief@example.com' });
    for (const path of ['reset-password', 'accept-invite'])
      expect((await people.post(`/api/v1/auth/${path}`, { token, password: `${PASSWORD} new` })).status).toBe(400);
    const [row] = await people.core.database.query('SELECT email FROM users WHERE id = $1', [victim.person.id]);
    expect(row).toEqual({ email: victim.person.email });
  });
});

describe('whoever may end sessions and tokens ends those of anybody', () => {
  // A stolen session of an administrator is not to wait for one. It takes nothing away: they sign in again.
  it('of people above too, and is written down', async () => {
    const { database } = people.core;
    const owner = await buildUser(database, { roles: ['owner'] });
    const one = await buildSession(database, owner.id);
    await buildSession(database, owner.id);
    expect((await as(clerk.token, 'DELETE', `users/${owner.id}/sessions/${one.id}`)).status).toBe(204);
    expect((await as(clerk.token, 'DELETE', `users/${owner.id}/sessions`)).status).toBe(204);
    expect((await as(clerk.token, 'POST', `users/${owner.id}/tokens/revoke-all`)).status).toBe(204);
    expectRefused(await as(clerk.token, 'POST', 'tokens/revoke-all'), 'admin');
    const rows = await database.query<{ action: string }>(
      `SELECT action FROM audit_logs WHERE actor_id = $1 AND (subject_id = $2 OR details ->> 'user_id' = $2) ORDER BY id`,
      [clerk.id, owner.id],
    );
    expect(rows.map(({ action }) => action)).toEqual(['session.end', 'session.end_all', 'token.revoke_all']);
  });
});
