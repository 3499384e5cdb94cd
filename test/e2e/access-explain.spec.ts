import { startApp, type TestApp } from '../support/app.js';
import { buildGrant, buildUser } from '../support/people.js';
import { ask } from '../support/signed-in.js';

const idOf = (role: string) => `rol_${role.padStart(20, '0')}`;

let core: TestApp;
let admin: string;

beforeAll(async () => {
  core = await startApp();
  admin = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(() => core.stop());

const call = (method: string, path: string, body?: unknown) => ask(core.url, admin, method, `/api/v1/${path}`, body);
const explain = async (userId: string, permission: string, more: object = {}) =>
  (await call('POST', 'access/explain', { principal: { type: 'user', id: userId }, permission, ...more })).body;
const client = (id: string) => ({ type: 'clients', id });

describe('POST /api/v1/access/explain', () => {
  it('names the grant, the role and the parents by which a permission is held', async () => {
    const user = await buildUser(core.database);
    const id = await buildGrant(core.database, user.id, { role: 'admin' });
    expect(await explain(user.id, 'limits:read')).toEqual({
      principal: { type: 'user', id: user.id },
      permission: 'limits:read',
      resource: null,
      decision: 'allow',
      reason: 'granted',
      at: expect.stringMatching(/^20\d\d-/),
      scopes: null,
      user_id: user.id,
      omitted: 0,
      trace: [
        {
          grant_id: id,
          effect: 'allow',
          permission: 'limits:read',
          path: ['admin', 'auditor', 'viewer'].map((name) => ({ id: idOf(name), name })),
          scope: { type: 'all' },
          in_scope: true,
          expires_at: null,
          ended: false,
          conditions: [],
          counts: true,
        },
      ],
    });
    expect((await explain(user.id, 'clients:read')).trace[0].path).toEqual([{ id: idOf('admin'), name: 'admin' }]);
    expect(await explain(user.id, 'admin')).toMatchObject({ decision: 'deny', reason: 'not_granted', trace: [] });
  });

  it('names the denial that wins, before what allows', async () => {
    const user = await buildUser(core.database);
    const allowed = await buildGrant(core.database, user.id, { role: 'viewer' });
    const denied = await buildGrant(core.database, user.id, { role: 'billing', effect: 'deny' });
    const explained = await explain(user.id, 'clients:read');
    expect(explained).toMatchObject({ decision: 'deny', reason: 'denied_by_grant' });
    expect(
      explained.trace.map(({ grant_id, counts }: { grant_id: string; counts: boolean }) => [grant_id, counts]),
    ).toEqual([
      [denied, true],
      [allowed, true],
    ]);
    expect(await explain(user.id, 'limits:read')).toMatchObject({ decision: 'allow', trace: [{ grant_id: allowed }] });
  });

  it('says which part of a whole is denied', async () => {
    const user = await buildUser(core.database, { roles: ['owner'] });
    await buildGrant(core.database, user.id, { role: 'developer', effect: 'deny' });
    expect(await explain(user.id, 'admin')).toMatchObject({
      decision: 'deny',
      reason: 'denied_by_grant',
      trace: [{ effect: 'deny', permission: expect.stringMatching(/^(?:api_keys|llm):/) }, { effect: 'allow' }],
    });
  });

  it('says which condition fails, by what, and which cannot be known', async () => {
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, {
      role: 'viewer',
      conditions: {
        cidr: ['192.0.2.0/24'],
        countries: ['DE'],
        mfa: true,
        methods: ['password'],
        max_auth_age_seconds: 60,
        hours: { zone: 'Europe/Berlin', from: '08:00', to: '18:00' },
      },
    });
    const context = {
      address: '::ffff:192.0.2.7',
      country: 'FR',
      at: '2026-01-05T11:30:00Z',
      method: 'session',
      amr: ['pwd'],
      auth_age_seconds: 61,
    };
    const explained = await explain(user.id, 'limits:read', { context });
    expect(explained).toMatchObject({ decision: 'deny', reason: 'not_granted', at: '2026-01-05T11:30:00.000Z' });
    expect(explained.trace[0]).toMatchObject({ counts: false, in_scope: true });
    const found = Object.fromEntries(
      explained.trace[0].conditions.map((each: { name: string; outcome: string; found: unknown }) => [
        each.name,
        [each.outcome, each.found],
      ]),
    );
    expect(found).toEqual({
      cidr: ['holds', '192.0.2.7'],
      countries: ['fails', 'FR'],
      mfa: ['unknown', null],
      methods: ['holds', ['session', 'pwd', 'password']],
      max_auth_age_seconds: ['fails', 61],
      hours: ['holds', { day: 1, time: '12:30' }],
    });
    const all = { ...context, country: 'DE', mfa: true, auth_age_seconds: 60 };
    expect(await explain(user.id, 'limits:read', { context: all })).toMatchObject({
      decision: 'allow',
      reason: 'granted',
    });
    expect(await explain(user.id, 'limits:read', { context: { ...all, at: '2026-01-05T18:00:00Z' } })).toMatchObject({
      decision: 'deny',
    });
    const nothing = (await explain(user.id, 'limits:read')).trace[0].conditions;
    expect(nothing.filter(({ outcome }: { outcome: string }) => outcome === 'unknown')).toHaveLength(5);
  });

  it('finds the country of an address by itself', async () => {
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, { role: 'viewer', conditions: { countries: ['DE'] } });
    expect((await explain(user.id, 'limits:read', { context: { address: '5.1.66.255' } })).decision).toBe('allow');
    expect((await explain(user.id, 'limits:read', { context: { address: '127.0.0.1' } })).decision).toBe('deny');
  });

  it('tells one object from others', async () => {
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, { role: 'viewer', scope: { type: 'client', id: 'cn_live_aaaaaaaaaaaa' } });
    const at = async (resource?: object) => explain(user.id, 'clients:read', resource && { resource });
    expect(await at(client('cn_live_aaaaaaaaaaaa'))).toMatchObject({
      decision: 'allow',
      resource: client('cn_live_aaaaaaaaaaaa'),
    });
    expect(await at(client('cn_live_bbbbbbbbbbbb'))).toMatchObject({
      decision: 'deny',
      reason: 'granted_elsewhere',
      trace: [{ in_scope: false, counts: false }],
    });
    expect(await at()).toMatchObject({ decision: 'deny', reason: 'not_granted' });
  });

  it('looks up whose an object is', async () => {
    const user = await buildUser(core.database);
    await buildGrant(core.database, user.id, { role: 'viewer', conditions: { own_only: true } });
    const { clientId } = await core.createClient();
    await core.database.query('UPDATE clients SET owner_id = $2 WHERE client_id = $1', [clientId, user.id]);
    expect(await explain(user.id, 'clients:read', { resource: client(clientId) })).toMatchObject({ decision: 'allow' });
    expect(await explain(user.id, 'clients:read', { resource: client('cn_live_bbbbbbbbbbbb') })).toMatchObject({
      decision: 'deny',
      trace: [{ conditions: [{ name: 'own_only', outcome: 'fails', found: null }] }],
    });
    expect((await explain(user.id, 'clients:read')).trace[0].conditions[0]).toMatchObject({ outcome: 'unknown' });
  });

  it('passes over what has ended, and says so', async () => {
    const user = await buildUser(core.database);
    const soon = new Date(Date.now() + 3_600_000);
    await buildGrant(core.database, user.id, { role: 'viewer', expiresAt: soon });
    expect(await explain(user.id, 'limits:read')).toMatchObject({
      decision: 'allow',
      trace: [{ expires_at: soon.toISOString() }],
    });
    const later = { at: new Date(soon.getTime() + 1_000).toISOString() };
    expect(await explain(user.id, 'limits:read', { context: later })).toMatchObject({
      decision: 'deny',
      trace: [{ ended: true, counts: false }],
    });
  });

  it('lets no suspended user do anything', async () => {
    const user = await buildUser(core.database, { roles: ['owner'], status: 'suspended' });
    expect(await explain(user.id, 'limits:read')).toMatchObject({
      decision: 'deny',
      reason: 'not_active',
      trace: [{ counts: true }],
    });
  });

  it('shows two hundred grants and says how many more there are', async () => {
    const user = await buildUser(core.database);
    await core.database.query(
      `INSERT INTO grants (id, user_id, role_id, effect, scope_type, scope_id)
       SELECT 'grt_e' || lpad(n::text, 19, '0'), $1, $2, 'allow', 'client', 'cn_live_' || lpad(n::text, 12, '0') FROM generate_series(1, 203) AS n`,
      [user.id, idOf('viewer')],
    );
    const explained = await explain(user.id, 'clients:read', { resource: client('cn_live_000000000203') });
    expect(explained).toMatchObject({ decision: 'allow', omitted: 3 });
    expect(explained.trace).toHaveLength(200);
    expect(explained.trace[0]).toMatchObject({ counts: true, scope: { id: 'cn_live_000000000203' } });
  });

  const explainClient = async (id: string, permission: string, context = {}) =>
    (await call('POST', 'access/explain', { principal: { type: 'client', id }, permission, context })).body;

  it('of a client by its scopes', async () => {
    const { clientId } = await core.createClient({ scopes: ['clients:admin', 'logs:read'] });
    expect(await explainClient(clientId, 'clients:delete')).toMatchObject({
      decision: 'allow',
      reason: 'granted_by_scope',
      scopes: { held: ['clients:admin', 'logs:read'], by: 'clients:admin' },
      user_id: null,
      trace: [],
    });
    expect(await explainClient(clientId, 'llm:invoke')).toMatchObject({
      decision: 'deny',
      reason: 'not_in_scopes',
      scopes: { by: null },
    });
  });

  it.each([
    [{ status: 'disabled' as const }, {}, 'not_active'],
    [{ expiresAt: new Date(Date.now() - 1_000) }, {}, 'expired'],
    [{ allowedAddresses: ['192.0.2.0/24'] }, {}, 'address_not_allowed'],
    [{ allowedAddresses: ['192.0.2.0/24'] }, { address: '198.51.100.1' }, 'address_not_allowed'],
    [{ allowedAddresses: ['192.0.2.0/24'] }, { address: '192.0.2.1' }, 'granted_by_scope'],
  ])('of a client with %j in %j: %s', async (overrides, context, reason) => {
    const { clientId } = await core.createClient({ scopes: ['logs:read'], ...overrides });
    expect(await explainClient(clientId, 'logs:read', context)).toMatchObject({
      reason,
      decision: reason === 'granted_by_scope' ? 'allow' : 'deny',
    });
  });

  it('of a key by its scopes and what its owner holds', async () => {
    const owner = await buildUser(core.database, { roles: ['viewer'] });
    const { clientId } = await core.createClient({ scopes: ['logs:read', 'limits:write'] });
    await core.database.query('UPDATE clients SET owner_id = $2 WHERE client_id = $1', [clientId, owner.id]);
    expect(await explainClient(clientId, 'logs:read')).toMatchObject({
      decision: 'allow',
      user_id: owner.id,
      trace: [{ counts: true }],
    });
    expect(await explainClient(clientId, 'limits:write')).toMatchObject({ decision: 'deny', reason: 'not_granted' });
    expect(await explainClient(clientId, 'limits:read')).toMatchObject({ decision: 'deny', reason: 'not_in_scopes' });
    await core.database.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [owner.id]);
    expect(await explainClient(clientId, 'logs:read')).toMatchObject({ decision: 'deny', reason: 'not_active' });
  });

  it.each<[unknown, number, string | undefined]>([
    [{}, 400, 'body.principal'],
    [{ principal: 'x', permission: 'logs:read' }, 400, 'body.principal'],
    [{ principal: { type: 'robot', id: 'x' }, permission: 'logs:read' }, 400, 'body.principal.type'],
    [{ principal: { type: 'user', id: 'a b' }, permission: 'logs:read' }, 400, 'body.principal.id'],
    [{ principal: { type: 'user', id: 'x' }, permission: 'logs:fly' }, 400, 'body.permission'],
    [
      { principal: { type: 'user', id: 'x' }, permission: 'logs:read', resource: { type: 'clients' } },
      400,
      'body.resource.id',
    ],
    [
      { principal: { type: 'user', id: 'x' }, permission: 'logs:read', context: { address: 'here' } },
      400,
      'body.context.address',
    ],
    [
      { principal: { type: 'user', id: 'x' }, permission: 'logs:read', context: { mood: 'good' } },
      400,
      'body.context.mood',
    ],
    [
      { principal: { type: 'user', id: 'x' }, permission: 'logs:read', context: { auth_age_seconds: -1 } },
      400,
      'body.context.auth_age_seconds',
    ],
    [
      { principal: { type: 'user', id: 'x' }, permission: 'logs:read', context: { amr: 'pwd' } },
      400,
      'body.context.amr',
    ],
    [{ principal: { type: 'user', id: 'x' }, permission: 'logs:read' }, 404, undefined],
    [{ principal: { type: 'user', id: `usr_${'0'.repeat(20)}` }, permission: 'logs:read' }, 404, undefined],
    [{ principal: { type: 'client', id: 'cn_live_000000000000' }, permission: 'logs:read' }, 404, undefined],
  ])('%j is %i', async (body, status, location) => {
    const answer = await call('POST', 'access/explain', body);
    expect(answer.status).toBe(status);
    if (location !== undefined) expect(answer.body.errors[0].location).toBe(location);
  });
});

describe('GET /api/v1/access/who-can', () => {
  const whoCan = async (query: string) => (await call('GET', `access/who-can?limit=200&${query}`)).body;
  const idsOf = async (query: string): Promise<string[]> =>
    (await whoCan(query)).data.map(({ id }: { id: string }) => id);

  it('lists users and clients, by what they hold it', async () => {
    const user = await buildUser(core.database);
    const grant = await buildGrant(core.database, user.id, { role: 'admin' });
    const { clientId } = await core.createClient({ scopes: ['limits:write'], name: 'limiter' });
    const { data } = await whoCan('permission=limits:write');
    expect(data).toContainEqual({
      type: 'user',
      id: user.id,
      name: user.name,
      user_id: user.id,
      conditional: false,
      grants: [{ grant_id: grant, role_id: idOf('admin'), role: 'admin', expires_at: null }],
    });
    expect(data).toContainEqual({
      type: 'client',
      id: clientId,
      name: 'limiter',
      user_id: null,
      conditional: false,
      grants: [],
    });
    expect(await idsOf('permission=limits:write&type=client')).not.toContain(user.id);
    expect(await idsOf('permission=limits:write&type=user')).not.toContain(clientId);
    expect(await idsOf('permission=ip_rules:write')).not.toContain(clientId);
  });

  it('leaves out who is suspended, denied, ended or held to another object', async () => {
    const here = { type: 'client', id: 'cn_live_000000000001' } as const;
    const make = async (status: 'active' | 'suspended', ...grants: Parameters<typeof buildGrant>[2][]) => {
      const user = await buildUser(core.database, { status });
      for (const each of grants) await buildGrant(core.database, user.id, each);
      return user.id;
    };
    const people = {
      plain: await make('active', { role: 'viewer' }),
      scoped: await make('active', { role: 'viewer', scope: here }),
      byResource: await make('active', {
        role: 'viewer',
        scope: { type: 'resource', resource: 'clients', id: here.id },
      }),
      conditional: await make('active', { role: 'viewer', conditions: { mfa: true } }),
      doubtful: await make(
        'active',
        { role: 'viewer' },
        { role: 'billing', effect: 'deny', conditions: { mfa: true } },
      ),
      elsewhere: await make('active', { role: 'viewer', scope: { type: 'client', id: 'cn_live_000000000002' } }),
      deniedHere: await make('active', { role: 'viewer' }, { role: 'owner', effect: 'deny', scope: here }),
      denied: await make('active', { role: 'viewer' }, { role: 'billing', effect: 'deny' }),
      ended: await make('active', { role: 'viewer', expiresAt: new Date(Date.now() - 1_000) }),
      suspended: await make('suspended', { role: 'viewer' }),
      other: await make('active', { role: 'developer' }),
    };
    const namesOf = async (query: string, conditional?: boolean) => {
      const { data } = await whoCan(query);
      return Object.entries(people)
        .filter(([, id]) =>
          data.some(
            (each: { id: string; conditional: boolean }) =>
              each.id === id && (conditional === undefined || each.conditional === conditional),
          ),
        )
        .map(([name]) => name);
    };
    expect(await namesOf('permission=clients:read')).toEqual(['plain', 'conditional', 'doubtful', 'deniedHere']);
    const about = `permission=clients:read&resource=clients:${here.id}`;
    expect(await namesOf(about)).toEqual(['plain', 'scoped', 'byResource', 'conditional', 'doubtful']);
    expect(await namesOf(about, true)).toEqual(['conditional', 'doubtful']);
  });

  it('lists a key only while its owner holds it too', async () => {
    const owner = await buildUser(core.database, { roles: ['viewer'] });
    const { clientId } = await core.createClient({ scopes: ['logs:read', 'limits:write'] });
    await core.database.query('UPDATE clients SET owner_id = $2 WHERE client_id = $1', [clientId, owner.id]);
    const { data } = await whoCan('permission=logs:read&type=client');
    expect(data).toContainEqual(
      expect.objectContaining({
        id: clientId,
        user_id: owner.id,
        grants: [expect.objectContaining({ role: 'viewer' })],
      }),
    );
    expect(await idsOf('permission=limits:write')).not.toContain(clientId);
  });

  it('pages by id, both ways', async () => {
    const all = await idsOf('permission=logs:read');
    const down = await idsOf('permission=logs:read&sort=-id');
    expect(down).toEqual(all.toReversed());
    for (const sort of ['id', '-id']) {
      const paged: string[] = [];
      for (let cursor = ''; ; ) {
        const { body } = await call('GET', `access/who-can?permission=logs:read&limit=3&sort=${sort}${cursor}`);
        paged.push(...body.data.map(({ id }: { id: string }) => id));
        if (!body.has_more) break;
        cursor = `&cursor=${body.next_cursor}`;
      }
      expect(paged).toEqual(sort === 'id' ? all : down);
    }
  });

  it.each([
    ['', 'query.permission'],
    ['permission=logs:fly', 'query.permission'],
    ['permission=logs:read&resource=clients', 'query.resource'],
    ['permission=logs:read&type=robot', 'query.type'],
    ['permission=logs:read&mood=good', 'query.mood'],
  ])('refuses %j', async (query, location) => {
    expect(await call('GET', `access/who-can?${query}`)).toMatchObject({
      status: 400,
      body: { errors: [{ location }] },
    });
  });
});
