import { withClient } from '../../src/platform/database/account.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';

interface Row {
  readonly id: string;
  readonly created_at: string;
  readonly action: string;
  readonly actor_id: string | null;
  readonly subject_id: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

let core: TestApp;
let admin: InsertedClient;
let auditor: InsertedClient;

beforeAll(async () => {
  core = await startApp();
  admin = await core.createClient({ scopes: ['admin'] });
  auditor = await core.createClient({ scopes: ['audit:read'] });
});
afterAll(() => core.stop());

async function call(method: string, path: string, key: InsertedClient, body?: object) {
  const response = await fetch(`${core.url}${path}`, {
    method,
    headers: { 'x-api-key': key.apiKey, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const list = async (query = '') => (await call('GET', `/api/v1/audit-logs${query}`, auditor)).body;
const stored = (action: string) =>
  core.database.query('SELECT * FROM audit_logs WHERE action = $1 ORDER BY audit_logs.id', [action]);

describe('GET /api/v1/audit-logs', () => {
  it('shows what was done, by whom and how it was before, newest first', async () => {
    const made = await call('POST', '/api/v1/clients', admin, { name: 'billing' });
    const id: string = made.body.client_id;
    await call('PATCH', `/api/v1/clients/${id}`, admin, { tier: 'free' });
    const { data, has_more: more, next_cursor: next } = await list(`?subject_id=${id}`);
    expect([more, next]).toEqual([false, null]);
    expect(data).toMatchObject([
      {
        action: 'client.update',
        actor_type: 'client',
        actor_id: admin.clientId,
        user_id: null,
        session_id: null,
        subject_type: 'client',
        subject_id: id,
        outcome: 'succeeded',
        address: '127.0.0.1',
        details: { changed: ['tier'], tier: 'free', previous_tier: 'paid' },
      },
      {
        action: 'client.create',
        request_id: made.headers.get('x-request-id'),
        details: { name: 'billing' },
      },
    ]);
    expect(Object.keys(data[0]).sort()).toEqual(
      [
        'action',
        'actor_id',
        'actor_type',
        'address',
        'created_at',
        'details',
        'id',
        'outcome',
        'request_id',
        'session_id',
        'subject_id',
        'subject_type',
        'user_id',
      ].sort(),
    );
    expect(JSON.stringify(data)).not.toContain(made.body.client_secret);
  });

  it.each<[string, (row: Record<string, string>) => string]>([
    ['action', () => 'action=user.sign_in'],
    ['actor_id', (row) => `actor_id=${row.actor}`],
    ['actor_type', () => 'actor_type=user&outcome=failed'],
    ['user_id', (row) => `user_id=${row.actor}`],
    ['subject_type', (row) => `subject_type=session&session_id=${row.session}`],
    ['subject_id', (row) => `subject_id=${row.subject}`],
    ['outcome', () => 'outcome=failed'],
    ['session_id', (row) => `session_id=${row.session}`],
    ['request_id', (row) => `request_id=${row.request}`],
    ['time', () => 'created_after=2020-01-01T00:00:00Z&created_before=2020-01-02T00:00:00Z'],
  ])('narrows by %s', async (name, query) => {
    const row = { actor: `usr_${name}`, subject: `sub_${name}`, session: `ses_${name}`, request: `req_${name}` };
    await core.database.query(
      `INSERT INTO audit_logs (at, action, actor_type, actor_id, user_id, subject_type, subject_id, session_id, request_id, outcome)
       VALUES ('2020-01-01T12:00:00Z', 'user.sign_in', 'user', $1, $1, 'session', $2, $3, $4, 'failed')`,
      [row.actor, row.subject, row.session, row.request],
    );
    const { data } = await list(`?${query(row)}&limit=200`);
    expect(data.map((each: Row) => each.subject_id)).toContain(row.subject);
    const rest = await core.database.query(`SELECT 1 FROM audit_logs`);
    expect(data.length).toBeLessThan(rest.length);
  });

  it('finds what succeeded as well', async () => {
    const { data } = await list('?outcome=succeeded&action=client.create');
    expect(data.length).toBeGreaterThan(0);
    expect((await list('?outcome=refused&action=client.create')).data).toEqual([]);
  });

  it.each(['-created_at', 'created_at'])(
    'gives each row once in the order %s, while others are added',
    async (sort) => {
      await core.database.query(
        `INSERT INTO audit_logs (at, action, actor_type, actor_id, subject_type, outcome)
       SELECT '2021-01-01Z'::timestamptz + n / 3 * interval '1 millisecond', 'client.revoke', 'system', $1, 'client', 'succeeded'
       FROM generate_series(1, 100) AS n`,
        [`pages ${sort}`],
      );
      const seen: string[] = [];
      for (let cursor = ''; ; ) {
        const page = await list(`?actor_id=${encodeURIComponent(`pages ${sort}`)}&limit=7&sort=${sort}${cursor}`);
        seen.push(...page.data.map((row: Row) => row.id));
        if (page.next_cursor === null) break;
        cursor = `&cursor=${page.next_cursor}`;
      }
      const rows = await core.database.query<{ id: string }>(
        `SELECT id FROM audit_logs WHERE actor_id = $1 ORDER BY at ${sort === 'created_at' ? '' : 'DESC'}, id ${sort === 'created_at' ? '' : 'DESC'}`,
        [`pages ${sort}`],
      );
      expect(seen).toEqual(rows.map(({ id }) => id));
    },
  );

  it.each([
    ['action=user.unknown', /^query.action: must be one of /],
    ['outcome=maybe', 'query.outcome: must be one of succeeded, refused, failed'],
    ['actor=x', 'query.actor: is not a filter of this list'],
    ['sort=action', 'query.sort: must be one of created_at, -created_at'],
    ['created_after=yesterday', /^query.created_after: must be an RFC 3339 time/],
    ['cursor=abc', /^query.cursor: is not a cursor/],
    ['cursor=WyItY3JlYXRlZF9hdCIsIjIwMjEtMDEtMDFUMDA6MDA6MDBaIiwiMSBPUiAxPTEiXQ', /^query.cursor: is not a cursor/],
  ])('refuses %s', async (query, detail) => {
    const { status, body } = await call('GET', `/api/v1/audit-logs?${query}`, auditor);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'invalid_request', detail: expect.stringMatching(detail) });
  });

  it('is recorded itself: one row a request, with the filters, and not on its own page', async () => {
    const before = await stored('audit.read');
    const { data } = await list('?actor_type=client&created_after=2019-01-01T00:00:00%2B02:00&limit=5');
    const after = await stored('audit.read');
    expect(after).toHaveLength(before.length + 1);
    const row = after.at(-1);
    expect(row).toMatchObject({
      actor_id: auditor.clientId,
      subject_type: 'audit_log',
      details: { actor_type: 'client', created_after: '2018-12-31T22:00:00.000Z', rows: 5, further: false },
    });
    expect(data.map(({ id }: Row) => id)).not.toContain(row?.id);
    expect((await list('?action=audit.read&limit=1')).data[0].id).toBe(row?.id);
  });

  it('says what to do when PostgreSQL does not answer in time', async () => {
    await withClient(core.database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE');
      const { status, headers, body } = await call('GET', '/api/v1/audit-logs', auditor);
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(body).toMatchObject({ code: 'service_unavailable', detail: expect.stringContaining('Narrow it') });
    });
    expect((await call('GET', '/api/v1/audit-logs', auditor)).status).toBe(200);
  });

  it('is for those who may', async () => {
    const reader = await core.createClient({ scopes: ['logs:read', 'clients:read'] });
    expect(await call('GET', '/api/v1/audit-logs', reader)).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
    expect((await fetch(`${core.url}/api/v1/audit-logs`)).status).toBe(401);
  });
});

describe('a refusal for want of a permission', () => {
  it('is one row with the permission and the template of the route, however often it is met', async () => {
    const nobody = await core.createClient({ scopes: ['logs:read'] });
    const secret = 'cn_live_0123456789AB';
    for (let n = 0; n < 20; n++)
      expect((await call('DELETE', `/api/v1/clients/${secret}?x=${n}`, nobody)).status).toBe(403);
    await call('GET', '/api/v1/clients', nobody);
    const rows = () =>
      core.database.query(`SELECT * FROM audit_logs WHERE actor_id = $1 ORDER BY subject_id`, [nobody.clientId]);
    await eventually(async () => (await rows()).length >= 2);
    const maker = await core.createClient({ scopes: ['clients:write'] });
    expect((await call('POST', '/api/v1/clients', maker, { name: 'more', scopes: ['admin'] })).status).toBe(403);
    const behind = () => core.database.query(`SELECT * FROM audit_logs WHERE actor_id = $1`, [maker.clientId]);
    await eventually(async () => (await behind()).length > 0);
    expect(await behind()).toMatchObject([
      { subject_id: 'POST /api/v1/clients', details: { permission: null, code: 'permission_denied', suppressed: 0 } },
    ]);
    expect(await rows()).toMatchObject([
      {
        action: 'permission.denied',
        actor_type: 'client',
        subject_type: 'route',
        subject_id: 'DELETE /api/v1/clients/:client_id',
        outcome: 'refused',
        details: { permission: 'clients:delete', code: 'permission_denied', suppressed: 0 },
      },
      { subject_id: 'GET /api/v1/clients', details: { permission: 'clients:read' } },
    ]);
  });
});
