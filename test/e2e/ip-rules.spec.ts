import { AuditService } from '../../src/records/audit/audit.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';

const HOME = '198.51.100.1';

let apps: TestApp[];
let admin: InsertedClient;

beforeAll(async () => {
  const first = await startApp({ settings: { TRUSTED_PROXIES: '127.0.0.1' } });
  apps = [first, await first.replica(), await first.replica()];
  admin = await first.createClient({ scopes: ['ip_rules:read', 'ip_rules:write'] });
}, 60_000);

afterAll(async () => {
  for (const app of [...(apps ?? [])].reverse()) await app.stop();
});

afterEach(async () => {
  await apps[0]?.database.query('DELETE FROM ip_rules');
  await eventually(async () => {
    const statuses = await Promise.all(apps.map((app) => statusFrom(app, '203.0.113.7')));
    return statuses.every((status) => status === 200);
  });
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { data: Record<string, unknown>[] };
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  from = HOME,
  app = apps[0] as TestApp,
): Promise<Answer> {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: { 'x-api-key': admin.apiKey, 'x-forwarded-for': from, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

async function statusFrom(app: TestApp, address: string, path = '/api/v1/whoami'): Promise<number> {
  const response = await fetch(`${app.url}${path}`, {
    headers: { 'x-api-key': admin.apiKey, 'x-forwarded-for': address },
  });
  await response.arrayBuffer();
  return response.status;
}

const statusesFrom = (address: string) => Promise.all(apps.map((app) => statusFrom(app, address)));
const make = (body: Record<string, unknown>, from?: string) => ask('POST', '/api/v1/ip-rules', body, from);

describe('a rule', () => {
  it('is made, shown, changed and removed, in force on every replica when the answer comes', async () => {
    const made = await make({ cidr: '::ffff:203.0.113.0/120', action: 'block', reason: 'scraping' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^ipr_[0-9a-f]{24}$/),
      cidr: '203.0.113.0/24',
      action: 'block',
      source: 'manual',
      reason: 'scraping',
      expires_at: null,
      created_by: admin.clientId,
      strikes: 0,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect(await statusesFrom('203.0.113.7')).toEqual([403, 403, 403]);
    expect(await statusesFrom('203.0.114.7')).toEqual([200, 200, 200]);

    const path = `/api/v1/ip-rules/${made.body.id}`;
    expect((await ask('GET', path)).body).toEqual(made.body);
    const changed = await ask('PATCH', path, { action: 'allow', reason: null });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ action: 'allow', reason: null, cidr: '203.0.113.0/24' });
    expect(await statusesFrom('203.0.113.7')).toEqual([200, 200, 200]);

    expect((await ask('PATCH', path, { action: 'block' })).status).toBe(200);
    expect(await statusesFrom('203.0.113.7')).toEqual([403, 403, 403]);
    expect((await ask('DELETE', path)).status).toBe(204);
    expect(await statusesFrom('203.0.113.7')).toEqual([200, 200, 200]);
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const gone = await ask(method, path, method === 'PATCH' ? { action: 'allow' } : undefined);
      expect([gone.status, gone.body.code]).toEqual([404, 'not_found']);
    }
  });

  it('keeps an address out of everything but the health pair, before its credential is looked at', async () => {
    await make({ cidr: '203.0.113.7', action: 'block' });
    const app = apps[1] as TestApp;
    for (const path of ['/api/v1/whoami', '/openapi.json', '/docs', '/nowhere', '/v1/models', '/metrics']) {
      const response = await fetch(`${app.url}${path}`, { headers: { 'x-forwarded-for': '203.0.113.7' } });
      expect([path, response.status]).toEqual([path, 403]);
      expect(await response.text()).toContain('Requests from your address are not accepted here.');
    }
    expect(await statusFrom(app, '203.0.113.7', '/health/live')).toBe(200);
    await eventually(() =>
      app.records.some(({ errorCode, status }) => errorCode === 'address_blocked' && status === 403),
    );
  });

  it('gives way to one about fewer addresses', async () => {
    await make({ cidr: '203.0.113.0/24', action: 'block' });
    await make({ cidr: '203.0.113.7', action: 'allow' });
    expect(await statusesFrom('203.0.113.7')).toEqual([200, 200, 200]);
    expect(await statusesFrom('203.0.113.8')).toEqual([403, 403, 403]);
  });

  it('counts for IPv6 as well', async () => {
    await make({ cidr: '2001:db8::/32', action: 'block' });
    expect(await statusesFrom('2001:db8:1::1')).toEqual([403, 403, 403]);
    expect(await statusesFrom('2001:db9::1')).toEqual([200, 200, 200]);
  });

  it('ends to the second, by the clock of PostgreSQL', async () => {
    const expiresAt = new Date(Date.now() + 1_500);
    const { body } = await make({ cidr: '203.0.113.7', action: 'block', expires_at: expiresAt.toISOString() });
    expect(body.expires_at).toBe(expiresAt.toISOString());
    expect(await statusesFrom('203.0.113.7')).toEqual([403, 403, 403]);
    await eventually(() => Date.now() > expiresAt.getTime() + 100);
    expect(await statusesFrom('203.0.113.7')).toEqual([200, 200, 200]);
    expect((await make({ cidr: '203.0.113.7', action: 'block' })).status).toBe(201);
  });

  it('made, changed and removed by hand in SQL is in force within a second', async () => {
    const { query } = (apps[0] as TestApp).database;
    const within = (statuses: number[]) =>
      eventually(async () => JSON.stringify(await statusesFrom('203.0.113.7')) === JSON.stringify(statuses), 1_000);
    await query(`INSERT INTO ip_rules (id, cidr, action, source) VALUES ('by hand', '203.0.113.7', 'block', 'manual')`);
    await within([403, 403, 403]);
    await query(`UPDATE ip_rules SET id = 'renamed', cidr = '203.0.113.8'`);
    await within([200, 200, 200]);
    await query(`UPDATE ip_rules SET cidr = '203.0.113.7'`);
    await within([403, 403, 403]);
    await query('TRUNCATE ip_rules');
    await within([200, 200, 200]);
  });

  it('made by SQL without an end, in its own spelling, is in force and listed, and takes no other down', async () => {
    const { query } = (apps[0] as TestApp).database;
    await query(
      `INSERT INTO ip_rules (id, cidr, action, source, expires_at) VALUES
       ('ipr_00000000000000000000000a', '203.0.113.7', 'block', 'manual', 'infinity'),
       ('ipr_00000000000000000000000b', '203.0.113.8', 'block', 'manual', '-infinity')`,
    );
    await eventually(async () => (await statusesFrom('203.0.113.7')).every((status) => status === 403), 1_000);
    expect(await statusesFrom('203.0.113.8')).toEqual([200, 200, 200]);
    const { body } = await ask('GET', '/api/v1/ip-rules?sort=created_at');
    expect(body.data).toMatchObject([{ expires_at: null }, { expires_at: '1970-01-01T00:00:00.000Z' }]);
    const later = await (apps[0] as TestApp).replica();
    expect(await statusFrom(later, '203.0.113.7')).toBe(403);
    await later.stop();
  });

  it('is said to be pending while a live replica has not confirmed it', async () => {
    const { query } = (apps[0] as TestApp).database;
    const ghost = () =>
      query(`INSERT INTO replicas (id, alone_seconds, stale_seconds) VALUES ('rep_ghost', 60, 960)
             ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp()`);
    const pending = { propagation: 'pending', replicas_pending: 1, bounded_by_seconds: expect.any(Number) };
    await ghost();
    const made = await make({ cidr: '203.0.113.7', action: 'block' });
    expect(made).toEqual({ status: 202, body: expect.objectContaining({ cidr: '203.0.113.7/32', ...pending }) });
    expect(await statusesFrom('203.0.113.7')).toEqual([403, 403, 403]);
    await ghost();
    const path = `/api/v1/ip-rules/${made.body.id}`;
    const changed = await ask('PATCH', path, { reason: 'why' });
    expect(changed).toEqual({ status: 202, body: expect.objectContaining({ reason: 'why', ...pending }) });
    await ghost();
    expect(await ask('DELETE', path)).toEqual({ status: 202, body: pending });
    await query(`DELETE FROM replicas WHERE id = 'rep_ghost'`);
  });

  it('is in force on a replica that starts later', async () => {
    await make({ cidr: '203.0.113.7', action: 'block' });
    const late = await (apps[0] as TestApp).replica();
    try {
      expect(await statusFrom(late, '203.0.113.7')).toBe(403);
    } finally {
      await late.stop();
    }
  });
});

describe('what is refused', () => {
  it.each([
    [{ action: 'block' }, 'body.cidr'],
    [{ cidr: '203.0.113.7/24', action: 'block' }, 'body.cidr'],
    [{ cidr: 'example.com', action: 'block' }, 'body.cidr'],
    [{ cidr: 7, action: 'block' }, 'body.cidr'],
    [{ cidr: '203.0.113.7', action: 'deny' }, 'body.action'],
    [{ cidr: '203.0.113.7', action: 'block', reason: 'x\u0007' }, 'body.reason'],
    [{ cidr: '203.0.113.7', action: 'block', expires_at: 'tomorrow' }, 'body.expires_at'],
    [{ cidr: '203.0.113.7', action: 'block', expires_at: '2020-01-01T00:00:00Z' }, 'body.expires_at'],
    [{ cidr: '203.0.113.7', action: 'block', allow_self_block: 'yes' }, 'body.allow_self_block'],
    [{ cidr: '203.0.113.7', action: 'block', source: 'automatic' }, 'body.source'],
  ])('%j', async (body, location) => {
    const answer = await make(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ location }] });
  });

  it('a second rule for the same range, in whatever spelling', async () => {
    await make({ cidr: '203.0.113.7', action: 'block' });
    const again = await make({ cidr: '::ffff:203.0.113.7', action: 'allow' });
    expect([again.status, again.body.code]).toEqual([409, 'ip_rule_exists']);
  });

  it('one of hundreds made at once for the same range is made', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => make({ cidr: '203.0.113.7', action: 'block' })),
    );
    const counts = Map.groupBy(answers, ({ status }) => status);
    expect([counts.get(201)?.length, counts.get(409)?.length]).toEqual([1, 99]);
  });

  it('a change of nothing, of the range, or to an end that has passed', async () => {
    const { body } = await make({ cidr: '203.0.113.7', action: 'block' });
    const path = `/api/v1/ip-rules/${body.id}`;
    for (const changes of [
      {},
      { allow_self_block: true },
      { cidr: '10.0.0.0/8' },
      { expires_at: '2020-01-01T00:00:00Z' },
    ])
      expect((await ask('PATCH', path, changes)).status).toBe(400);
    expect((await ask('PATCH', path, { expires_at: null })).status).toBe(200);
  });

  it('what would keep out the address it comes from, unless that is meant', async () => {
    for (const cidr of [HOME, '198.51.100.0/24', '0.0.0.0/0']) {
      const answer = await make({ cidr, action: 'block' });
      expect([answer.status, answer.body.code]).toEqual([409, 'would_block_caller']);
    }
    const allow = await make({ cidr: HOME, action: 'allow' });
    const block = await make({ cidr: '198.51.100.0/24', action: 'block' });
    expect([allow.status, block.status]).toEqual([201, 201]);
    const path = `/api/v1/ip-rules/${allow.body.id}`;
    for (const answer of [await ask('PATCH', path, { action: 'block' }), await ask('DELETE', path)])
      expect([answer.status, answer.body.code]).toEqual([409, 'would_block_caller']);
    expect((await ask('DELETE', `${path}?allow_self_block=perhaps`)).status).toBe(400);
    expect((await ask('DELETE', `${path}?force=1`)).status).toBe(400);
    expect((await ask('DELETE', `${path}?allow_self_block=true`)).status).toBe(204);
    expect((await ask('GET', '/api/v1/whoami')).body.code).toBe('address_blocked');
  });

  it('a block of oneself that is meant is made', async () => {
    expect((await make({ cidr: '192.0.2.9', action: 'block', allow_self_block: true }, '192.0.2.9')).status).toBe(201);
    expect((await ask('GET', '/api/v1/ip-rules', undefined, '192.0.2.9')).status).toBe(403);
  });

  it('a change without a row in the audit log', async () => {
    const audit = (apps[0] as TestApp).app.get(AuditService, { strict: false });
    jest.spyOn(audit, 'record').mockRejectedValue(new Error('no audit'));
    expect((await make({ cidr: '203.0.113.7', action: 'block' })).status).toBe(500);
    expect((await ask('GET', '/api/v1/ip-rules')).body.data).toEqual([]);
    expect(await statusesFrom('203.0.113.7')).toEqual([200, 200, 200]);
  });
});

describe('the list', () => {
  it('pages, sorts and filters', async () => {
    for (const [cidr, action] of [
      ['203.0.113.0/24', 'block'],
      ['203.0.0.0/16', 'allow'],
      ['2001:db8::/32', 'block'],
    ])
      expect((await make({ cidr, action })).status).toBe(201);
    const cidrs = async (query: string) =>
      (await ask('GET', `/api/v1/ip-rules?${query}`)).body.data.map(({ cidr }) => cidr);
    expect(await cidrs('')).toEqual(['2001:db8::/32', '203.0.0.0/16', '203.0.113.0/24']);
    expect(await cidrs('sort=created_at&action=block')).toEqual(['203.0.113.0/24', '2001:db8::/32']);
    expect(await cidrs('address=203.0.113.9&sort=created_at')).toEqual(['203.0.113.0/24', '203.0.0.0/16']);
    expect(await cidrs('address=::ffff:203.0.9.9')).toEqual(['203.0.0.0/16']);
    expect(await cidrs('source=automatic')).toEqual([]);
    expect(await cidrs(`created_by=${admin.clientId}&limit=1`)).toEqual(['2001:db8::/32']);
    expect(await cidrs('expires_before=2999-01-01T00:00:00Z')).toEqual([]);

    const seen: unknown[] = [];
    for (let cursor: unknown = ''; cursor !== null; ) {
      const { body } = await ask('GET', `/api/v1/ip-rules?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...body.data.map(({ cidr }) => cidr));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(['2001:db8::/32', '203.0.0.0/16', '203.0.113.0/24']);
  });

  it.each([
    'address=example.com',
    "address=1.1.1.1'",
    'address=203.0.113.0/24',
    'nothing=1',
    'sort=cidr',
    'action=deny',
  ])('refuses %s', async (query) => {
    expect((await ask('GET', `/api/v1/ip-rules?${query}`)).status).toBe(400);
  });
});

it('every change is in the audit log, with who made it and from where', async () => {
  const { query } = (apps[0] as TestApp).database;
  const { body } = await make({ cidr: '203.0.113.7', action: 'block', reason: 'scraping' });
  await ask('PATCH', `/api/v1/ip-rules/${body.id}`, { action: 'allow' });
  await ask('DELETE', `/api/v1/ip-rules/${body.id}`);
  const rows = await query(
    'SELECT action, actor_id, subject_id, address::text, details FROM audit_logs WHERE subject_id = $1 ORDER BY id',
    [body.id],
  );
  const from = { actor_id: admin.clientId, subject_id: body.id, address: expect.stringMatching(/^198\.51\.100\.1/) };
  expect(rows).toEqual([
    {
      ...from,
      action: 'ip_rule.create',
      details: { cidr: '203.0.113.7/32', effect: 'block', reason: 'scraping', expires_at: null },
    },
    {
      ...from,
      action: 'ip_rule.update',
      details: {
        cidr: '203.0.113.7/32',
        effect: 'allow',
        reason: 'scraping',
        expires_at: null,
        previous_effect: 'block',
        previous_reason: 'scraping',
        previous_expires_at: null,
      },
    },
    { ...from, action: 'ip_rule.remove', details: { cidr: '203.0.113.7/32', effect: 'allow', automatic: false } },
  ]);
});
