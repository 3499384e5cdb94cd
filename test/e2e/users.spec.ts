import { type Answer, locationsOf } from '../support/http-call.js';
import { buildGrant, buildUser, PASSWORD } from '../support/people.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';

const UNKNOWN = 'usr_00000000000000000000';

let app: PeopleApp;

beforeAll(async () => {
  app = await startPeopleApp();
});
afterAll(() => app?.stop());

const at = (id: string) => `/api/v1/users/${id}`;

describe('the list of users', () => {
  it('pages, sorts and filters', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push((await buildUser(app.core.database, { name: `Listed ${i}` })).id);
    const [first] = made;
    await buildGrant(app.core.database, first ?? '', { role: 'auditor' });
    const query = async (text: string) => (await app.call('GET', `/api/v1/users?${text}`)).body;
    expect((await query('name=Listed%203')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([made[3]]);
    const { email } = (await app.call('GET', at(made[2] ?? ''))).body;
    expect((await query(`email=${email.toUpperCase()}`)).data).toHaveLength(1);
    expect((await query('role=auditor')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([first]);
    expect((await query('role=nothing')).data).toEqual([]);
    const gone = await buildUser(app.core.database, { status: 'suspended', name: 'Gone' });
    expect((await query('status=suspended&name=Gone')).data.map(({ user_id }: Answer['body']) => user_id)).toEqual([
      gone.id,
    ]);
    expect((await query('status=active&name=Gone')).data).toEqual([]);
    expect((await query('created_before=2020-01-01T00:00:00Z')).data).toEqual([]);
    for (const sort of ['created_at', '-created_at', 'name', '-name', 'email', '-email']) {
      const all = (await query(`limit=200&sort=${sort}`)).data.map(({ user_id }: Answer['body']) => user_id);
      const paged: string[] = [];
      for (let cursor = ''; ; ) {
        const page = await query(`limit=3&sort=${sort}${cursor && `&cursor=${cursor}`}`);
        paged.push(...page.data.map(({ user_id }: Answer['body']) => user_id));
        if (!page.has_more) break;
        cursor = page.next_cursor;
      }
      expect(paged).toEqual(all);
      expect(new Set(all).size).toBe(all.length);
    }
    const text = JSON.stringify(await query('limit=200'));
    expect(text).not.toMatch(/password_hash|email_key|token_epoch|version|\$2b\$/);
  });

  it('refuses what it does not know', async () => {
    for (const [text, location] of [
      ['owner=1', 'query.owner'],
      ['password_hash=x', 'query.password_hash'],
      ['sort=password_hash', 'query.sort'],
      ['status=gone', 'query.status'],
    ])
      expect(locationsOf(await app.call('GET', `/api/v1/users?${text}`))).toEqual([location]);
  });
});

describe('changing a user', () => {
  it('changes name and tier, and says what they were', async () => {
    const { id } = await buildUser(app.core.database, { name: 'Before' });
    const answer = await app.call('PATCH', at(id), { name: 'After', tier: 'free' });
    expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ name: 'After', tier: 'free' })]);
    expect((await app.call('PATCH', at(id), { name: 'After' })).status).toBe(200);
    expect(await app.audited(id)).toEqual([
      expect.objectContaining({
        action: 'user.update',
        details: {
          changed: ['name', 'tier'],
          name: 'After',
          previous_name: 'Before',
          tier: 'free',
          previous_tier: 'paid',
        },
      }),
    ]);
  });

  it.each([
    [{}, 'body'],
    [{ status: 'invited' }, 'body.status'],
    [{ status: null }, 'body.status'],
    [{ tier: 'platinum' }, 'body.tier'],
    [{ role: 'owner' }, 'body.role'],
    [{ name: 'x', email: 'x@example.com' }, 'body.email'],
    [{ name: 'x', token_epoch: 1 }, 'body.token_epoch'],
  ])('refuses %j', async (body, location) => {
    const { id } = await buildUser(app.core.database);
    expect(locationsOf(await app.call('PATCH', at(id), body))).toEqual([location]);
  });

  it('suspends and lets in again; their next request is refused everywhere', async () => {
    const { person, token } = await app.signedIn();
    const whoami = () => app.call('GET', '/api/v1/whoami', undefined, token);
    expect((await whoami()).status).toBe(200);
    expect((await app.call('PATCH', at(person.id), { status: 'suspended' })).body.status).toBe('suspended');
    expect((await whoami()).status).toBe(401);
    expect((await app.call('PATCH', at(person.id), { status: 'suspended' })).status).toBe(200);
    expect((await app.call('PATCH', at(person.id), { status: 'active' })).body.status).toBe('active');
    expect(
      (await app.audited(person.id)).map(({ action }) => action).filter((each) => each.startsWith('user.')),
    ).toEqual(['user.suspend', 'user.restore']);
  });

  it('lets nobody in who has not accepted', async () => {
    const { user, token } = await app.invite();
    const early = await app.call('PATCH', at(user.user_id), { status: 'active' });
    expect([early.status, early.body.code]).toEqual([409, 'conflict']);
    await app.call('PATCH', at(user.user_id), { status: 'suspended' });
    expect((await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(400);
    expect((await app.call('PATCH', at(user.user_id), { status: 'active' })).body.status).toBe('invited');
    expect((await app.post('/api/v1/auth/accept-invite', { token, password: PASSWORD })).status).toBe(200);
  });

  it('is 404 for who is not there, whatever the id looks like', async () => {
    for (const id of [UNKNOWN, 'usr_', 'x', '%00', "'--", 'cn_live_000000000000']) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await app.call(method, at(id), method === 'PATCH' ? { name: 'x' } : undefined);
        expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
      }
    }
  });

  it('of an administrator is for administrators', async () => {
    const owner = await buildUser(app.core.database, { roles: ['owner'] });
    const { apiKey } = await app.core.createClient({ scopes: ['users:admin'] });
    for (const [method, body] of [
      ['PATCH', { status: 'suspended' }],
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ]) {
      const answer = await app.call(method as string, at(owner.id), body, apiKey);
      expect([answer.status, answer.body.code]).toEqual([403, 'permission_denied']);
    }
    await buildUser(app.core.database, { roles: ['owner'] });
    expect((await app.call('PATCH', at(owner.id), { status: 'suspended' })).status).toBe(200);
  });
});

describe('removing a user', () => {
  it('removes them, and leaves the record', async () => {
    const { person, token } = await app.signedIn();
    expect((await app.call('DELETE', at(person.id))).status).toBe(204);
    expect((await app.call('GET', at(person.id))).status).toBe(404);
    expect((await app.call('GET', '/api/v1/whoami', undefined, token)).status).toBe(401);
    expect((await app.call('DELETE', at(person.id))).status).toBe(404);
    expect(await app.audited(person.id)).toContainEqual(
      expect.objectContaining({
        action: 'user.delete',
        details: { email: person.email, status: 'active', handed_over_to: null },
      }),
    );
  });

  it('hands over to another user, who has to be there', async () => {
    const { id } = await buildUser(app.core.database);
    const heir = await buildUser(app.core.database);
    const gone = await buildUser(app.core.database, { status: 'suspended' });
    for (const heirId of [id, UNKNOWN, 'x', gone.id])
      expect(locationsOf(await app.call('DELETE', `${at(id)}?hand_over_to=${heirId}`))).toEqual(['query.hand_over_to']);
    expect(locationsOf(await app.call('DELETE', `${at(id)}?handover=${heir.id}`))).toEqual(['query.handover']);
    expect(locationsOf(await app.call('DELETE', `${at(id)}?hand_over_to=a&hand_over_to=b`))).toEqual([
      'query.hand_over_to',
    ]);
    expect((await app.call('DELETE', `${at(id)}?hand_over_to=${heir.id}`)).status).toBe(204);
  });
});
