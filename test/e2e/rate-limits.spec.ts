import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { InsertedClient } from '../support/insert-client.js';

const RATE_LIMITS = 'general.free=100/3600,general.gold=50/3600,query=10/60';

let replicas: TestApp[];
let admin: InsertedClient;
let reader: InsertedClient;
let client: InsertedClient;

beforeAll(async () => {
  const first = await startApp({ settings: { RATE_LIMITS } });
  replicas = [first, await first.replica(), await first.replica()];
  admin = await first.createClient({ scopes: ['admin'], tier: 'gold', name: 'admin' });
  reader = await first.createClient({ scopes: ['limits:read'], tier: 'gold' });
});
beforeEach(async () => {
  client = await replica().createClient({ scopes: ['llm:invoke', 'limits:read'] });
});
afterEach(async () => {
  await replica().database.query('DELETE FROM rate_limit_policies');
  await replica().database.query('DELETE FROM rate_limit_overrides');
  await replica().redis?.client.flushdb();
  await eventually(async () => (await effective('general', 'paid')).source.type === 'default');
});
afterAll(async () => {
  for (const each of [...(replicas ?? [])].reverse()) await each.stop();
});

const replica = (index = 0) => replicas[index % 3] as TestApp;

interface Effective {
  readonly windows: readonly unknown[];
  readonly concurrent: number | null;
  readonly source: { readonly type: string; readonly tier: string | null };
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the route says; the test asserts what
  readonly body: any;
}

async function send(method: string, path: string, body?: unknown, by = admin, on = replica()): Promise<Answer> {
  const response = await fetch(`${on.url}/api/v1${path}`, {
    method,
    headers: { 'x-api-key': by.apiKey, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const whoami = (index = 0, by = client) => send('GET', '/whoami', undefined, by, replica(index));

async function effective(rateClass: string, tier: string): Promise<Effective> {
  for (const on of replicas.slice(1)) {
    const other = await send('GET', `/rate-limits?class=${rateClass}&tier=${tier}`, undefined, admin, on);
    const first = await send('GET', `/rate-limits?class=${rateClass}&tier=${tier}`);
    if (JSON.stringify(other.body) !== JSON.stringify(first.body)) return { ...first.body.data[0], source: {} };
  }
  return (await send('GET', `/rate-limits?class=${rateClass}&tier=${tier}`)).body.data[0];
}

/** The limit each replica says it enforces. */
async function limits(by = client): Promise<(string | null)[]> {
  return Promise.all([0, 1, 2].map(async (index) => (await whoami(index, by)).headers.get('x-ratelimit-limit')));
}

const windows = (quota: number, window_seconds = 3600) => ({ windows: [{ quota, window_seconds }] });

describe('GET /api/v1/rate-limits', () => {
  it('shows what is in force for every class and tier, and where it comes from', async () => {
    const { status, body } = await send('GET', '/rate-limits?limit=200', undefined, reader);
    expect(status).toBe(200);
    expect(body.has_more).toBe(false);
    const rows = body.data.map((row: Effective & { class: string; tier: string }) => [row.class, row.tier]);
    expect(rows).toEqual([
      ['address', '*'],
      ...['free', 'gold', 'paid'].map((tier) => ['general', tier]),
      ...['free', 'gold', 'paid'].map((tier) => ['key_creation', tier]),
      ['login', '*'],
      ...['free', 'gold', 'paid'].map((tier) => ['query', tier]),
      ...['free', 'gold', 'paid'].map((tier) => ['streams', tier]),
    ]);
    expect(body.data[1]).toEqual({
      class: 'general',
      tier: 'free',
      windows: [{ quota: 100, window_seconds: 3600, mode: 'enforce' }],
      concurrent: null,
      cost: 1,
      mode: 'enforce',
      source: { type: 'env', tier: null, revision: null, expires_at: null },
    });
    expect(await effective('general', 'paid')).toMatchObject({ source: { type: 'default' } });
    expect(await effective('address', '*')).toMatchObject({ windows: [], source: { type: 'default' } });
    expect(await effective('streams', 'paid')).toMatchObject({ concurrent: 100, source: { type: 'default' } });
  });

  it('comes in pages', async () => {
    const first = await send('GET', '/rate-limits?limit=5&sort=-class');
    expect(first.body.data.map((row: { class: string }) => row.class)).toEqual([
      'streams',
      'streams',
      'streams',
      'query',
      'query',
    ]);
    const next = await send('GET', `/rate-limits?limit=200&sort=-class&cursor=${first.body.next_cursor}`);
    expect(next.body.data).toHaveLength(9);
    expect(next.body.data[0]).toMatchObject({ class: 'query', tier: 'free' });
  });
});

describe('a policy', () => {
  it('is enforced by every replica when the answer comes, and what was underneath again once removed', async () => {
    expect(await limits()).toEqual(['1000', '1000', '1000']);
    const set = await send('PUT', '/rate-limits/policies/general', { ...windows(40), reason: 'too loud' });
    expect(set.status).toBe(200);
    expect(set.body).toMatchObject({
      class: 'general',
      tier: '*',
      windows: [{ quota: 40, window_seconds: 3600, mode: 'enforce' }],
      concurrent: null,
      cost: 1,
      mode: 'enforce',
      reason: 'too loud',
      updated_by: admin.clientId,
      propagation: 'complete',
      bounded_by_seconds: null,
    });
    expect(await limits()).toEqual(['40', '40', '40']);
    expect((await send('GET', '/rate-limits/policies/general')).body.revision).toBe(set.body.revision);
    expect((await send('GET', '/rate-limits/policies')).body.data).toHaveLength(1);

    const again = await send('PUT', '/rate-limits/policies/general', windows(30));
    expect(Number(again.body.revision)).toBeGreaterThan(Number(set.body.revision));
    expect(again.body).toMatchObject({ reason: null, created_at: set.body.created_at });
    expect(await limits()).toEqual(['30', '30', '30']);

    expect((await send('DELETE', '/rate-limits/policies/general')).status).toBe(204);
    expect(await limits()).toEqual(['1000', '1000', '1000']);
    expect((await send('DELETE', '/rate-limits/policies/general')).status).toBe(404);
    expect((await send('GET', '/rate-limits/policies/general')).status).toBe(404);
  });

  it('goes by the most specific: override, policy of the tier, policy of the class, environment', async () => {
    const put = (path: string, quota: number) => send('PUT', `/rate-limits/${path}`, windows(quota));
    await put('policies/general', 40);
    await put('policies/general/paid', 41);
    expect(await limits()).toEqual(['41', '41', '41']);
    expect(await effective('general', 'free')).toMatchObject({ source: { type: 'policy', tier: '*' } });
    expect(await effective('general', 'paid')).toMatchObject({ source: { type: 'policy', tier: 'paid' } });
    await put(`overrides/clients/${client.clientId}/general`, 42);
    expect(await limits()).toEqual(['42', '42', '42']);
    await send('DELETE', `/rate-limits/overrides/clients/${client.clientId}/general`);
    await send('DELETE', '/rate-limits/policies/general/paid');
    expect(await limits()).toEqual(['40', '40', '40']);
  });

  it('with several windows and a cost is enforced in all of them', async () => {
    await send('PUT', '/rate-limits/policies/general/paid', {
      windows: [
        { quota: 100, window_seconds: 3600 },
        { quota: 9, window_seconds: 600 },
      ],
      cost: 4,
    });
    const answers = await Promise.all([0, 1, 2, 3, 4].map((index) => whoami(index)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    const refused = await whoami(1);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('ratelimit-policy')).toBe('"general";q=100;w=3600, "general:600";q=9;w=600');
    expect(refused.headers.get('ratelimit')).toMatch(/^"general:600";r=1;t=(199|200)$/);
    expect(refused.body.detail).toContain('of 9 units per 600 seconds, of which this request takes 4,');
    expect(Number(await replica().redis?.client.pttl(`cn:{${client.clientId}}:bucket:general`))).toBeGreaterThan(0);
  });

  it('of no window is no limit', async () => {
    await send('PUT', '/rate-limits/policies/general/paid', { windows: [] });
    expect(await limits()).toEqual([null, null, null]);
  });

  it('in shadow is counted and reported and refuses nobody', async () => {
    await send('PUT', '/rate-limits/policies/general/paid', { ...windows(3), mode: 'shadow' });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => whoami(index)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(answers.every(({ headers }) => headers.get('x-ratelimit-limit') === null)).toBe(true);
    const counted = await Promise.all(
      replicas.map(async ({ url }) => {
        const text = await (await fetch(`${url}/metrics`, { headers: { 'x-api-key': admin.apiKey } })).text();
        return Number(/would_have_refused_total\{class="general"\} (\d+)/.exec(text)?.[1] ?? 0);
      }),
    );
    expect(counted.reduce((sum, count) => sum + count)).toBe(9);
  });

  it('with one window in shadow enforces the others', async () => {
    await send('PUT', '/rate-limits/policies/general/paid', {
      windows: [
        { quota: 5, window_seconds: 3600 },
        { quota: 1, window_seconds: 60, mode: 'shadow' },
      ],
    });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => whoami(index)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect((await whoami()).headers.get('ratelimit-policy')).toBe('"general";q=5;w=3600');
  });

  it('made or spoilt by SQL is live within a second, and a bad row takes nobody down', async () => {
    const { database } = replica();
    await database.query(
      `INSERT INTO rate_limit_policies (class, tier, windows) VALUES ('general', 'paid', '[{"quota": 33, "window_seconds": 60}]')`,
    );
    const since = performance.now();
    await eventually(async () => (await limits()).every((limit) => limit === '33'), 1_000);
    expect(performance.now() - since).toBeLessThan(1_000);

    for (const bad of [
      '{}',
      '[1]',
      '[{"quota": 0, "window_seconds": 60}]',
      '[{"quota": 5}]',
      '[{"quota": "5", "window_seconds": 60}]',
      '[{"quota": 5, "window_seconds": 60, "mode": "off"}]',
      '[{"quota": 5, "window_seconds": 60, "more": 1}]',
      '[{"quota": 5, "window_seconds": 60}, {"quota": 6, "window_seconds": 60}]',
      `[${Array(5).fill('{"quota": 5, "window_seconds": 60}').join(',')}]`,
    ])
      await expect(database.query('UPDATE rate_limit_policies SET windows = $1', [bad])).rejects.toThrow(
        /rate_limit_policies_windows_check|scalar|object/,
      );

    await database.query('ALTER TABLE rate_limit_policies DROP CONSTRAINT rate_limit_policies_windows_check');
    await database.query(`UPDATE rate_limit_policies SET windows = '[{"quota": -1, "window_seconds": "x"}]'`);
    await database.query(
      `INSERT INTO rate_limit_policies (class, tier, windows) VALUES ('query', '*', '[{"quota": 7, "window_seconds": 60}]')`,
    );
    await eventually(async () => (await limits()).every((limit) => limit === '1000'));
    expect(await effective('query', 'paid')).toMatchObject({ windows: [{ quota: 7 }] });
    expect((await send('GET', '/rate-limits/policies')).body.data).toHaveLength(2);
    await database.query('TRUNCATE rate_limit_policies');
    await eventually(async () => (await effective('query', 'paid')).source.type === 'env');
    await database.query(
      'ALTER TABLE rate_limit_policies ADD CONSTRAINT rate_limit_policies_windows_check CHECK (rate_limit_windows_valid(windows, cost))',
    );
  });

  it('made by SQL with no end or a past one, in its own spelling, is read as such', async () => {
    const { database } = replica();
    for (const [rateClass, quota, end] of [
      ['general', 21, 'infinity'],
      ['query', 22, '-infinity'],
    ])
      await database.query(
        `INSERT INTO rate_limit_overrides (subject_type, subject_id, class, windows, expires_at)
         VALUES ('client', $1, $2, jsonb_build_array(jsonb_build_object('quota', $3::int, 'window_seconds', 60)), $4::timestamptz)`,
        [client.clientId, rateClass, quota, end],
      );
    await eventually(async () => (await whoami(1)).headers.get('x-ratelimit-limit') === '21', 1_000);
    const listed = await send('GET', `/rate-limits/overrides?client_id=${client.clientId}`);
    expect(listed.body.data).toMatchObject([
      { class: 'query', expires_at: '1970-01-01T00:00:00.000Z', in_force: false },
      { class: 'general', expires_at: null, in_force: true },
    ]);
    const explained = await send('POST', '/rate-limits/explain', {
      client_id: client.clientId,
      route: 'POST /api/v1/query',
    });
    expect(explained.body.buckets).toMatchObject([{ quota: 21, source: { expires_at: null } }, { quota: 10 }]);
    const later = await replica().replica();
    expect((await send('GET', '/whoami', undefined, client, later)).headers.get('x-ratelimit-limit')).toBe('21');
    await later.stop();
  });

  it.each([
    ['no windows', {}, 'body.windows'],
    ['windows that are no list', { windows: 3 }, 'body.windows'],
    ['a window that is none', { windows: [3] }, 'body.windows.0'],
    [
      'too many windows',
      { windows: [1, 2, 3, 4, 5].map((quota) => ({ quota, window_seconds: quota })) },
      'body.windows',
    ],
    ['a quota of none', windows(0), 'body.windows.0.quota'],
    ['a quota too large', windows(1e9), 'body.windows.0.quota'],
    ['a quota in text', { windows: [{ quota: '5', window_seconds: 60 }] }, 'body.windows.0.quota'],
    ['a window of none', windows(1, 0), 'body.windows.0.window_seconds'],
    ['an unknown field of a window', { windows: [{ quota: 5, window_seconds: 5, burst: 1 }] }, 'body.windows.0.burst'],
    ['a mode of a window', { windows: [{ quota: 5, window_seconds: 5, mode: 'off' }] }, 'body.windows.0.mode'],
    [
      'the same window twice',
      { windows: [1, 2].map((quota) => ({ quota, window_seconds: 60 })) },
      'body.windows.1.window_seconds',
    ],
    ['a cost above the quota', { ...windows(5), cost: 6 }, 'body.windows.0.quota'],
    ['a cost of none', { ...windows(5), cost: 0 }, 'body.cost'],
    ['a mode', { ...windows(5), mode: 'maybe' }, 'body.mode'],
    ['a reason that is none', { ...windows(5), reason: 5 }, 'body.reason'],
    ['a reason too long', { ...windows(5), reason: 'x'.repeat(501) }, 'body.reason'],
    ['a number of streams', { ...windows(5), concurrent: 4 }, 'body.concurrent'],
    ['an unknown field', { ...windows(5), burst: 1 }, 'body.burst'],
    ['an end', { ...windows(5), expires_at: '2100-01-01T00:00:00Z' }, 'body.expires_at'],
  ])('is refused with %s, which is named', async (_what, body, location) => {
    const { status, body: problem } = await send('PUT', '/rate-limits/policies/general', body);
    expect(status).toBe(400);
    expect(problem).toMatchObject({ code: 'invalid_request' });
    expect(problem.errors.map((error: { location: string }) => error.location)).toContain(location);
  });

  it.each([
    ['policies/nothing', windows(5), 'path.class'],
    ['policies/general/silver', windows(5), 'path.tier'],
    ['policies/login/gold', windows(5), 'path.tier'],
    ['policies/streams', windows(5), 'body.concurrent'],
    ['policies/streams', { concurrent: 5, windows: [{ quota: 5, window_seconds: 60 }] }, 'body.windows'],
    ['policies/streams', { concurrent: 5, cost: 2 }, 'body.cost'],
    ['policies/streams', { concurrent: 0 }, 'body.concurrent'],
  ])('at %s with %j is refused', async (path, body, location) => {
    const { status, body: problem } = await send('PUT', `/rate-limits/${path}`, body);
    expect(status).toBe(400);
    expect(problem.errors[0].location).toBe(location);
  });
});

describe('an override', () => {
  const path = () => `/rate-limits/overrides/clients/${client.clientId}/general`;

  it('holds for its client alone, and is listed and shown', async () => {
    const other = await replica().createClient();
    const set = await send('PUT', path(), { ...windows(5), reason: 'migration' });
    expect(set.body).toMatchObject({
      client_id: client.clientId,
      user_id: null,
      expires_at: null,
      in_force: true,
      reason: 'migration',
      propagation: 'complete',
    });
    expect(await limits()).toEqual(['5', '5', '5']);
    expect(await limits(other)).toEqual(['1000', '1000', '1000']);
    const list = await send('GET', `/rate-limits/overrides?client_id=${client.clientId}&class=general&mode=enforce`);
    expect(list.body.data).toHaveLength(1);
    expect((await send('GET', path())).body).toMatchObject({ client_id: client.clientId, windows: [{ quota: 5 }] });
    expect((await send('GET', '/rate-limits/overrides?user_id=nobody')).body.data).toEqual([]);
    expect((await send('DELETE', path())).status).toBe(204);
    expect(await limits()).toEqual(['1000', '1000', '1000']);
    expect((await send('DELETE', path())).status).toBe(404);
    expect((await send('GET', path())).status).toBe(404);
  });

  it('ends by itself, to the second, on every replica', async () => {
    const end = Date.now() + 2_000;
    await send('PUT', path(), { ...windows(5), expires_at: new Date(end).toISOString() });
    expect(await limits()).toEqual(['5', '5', '5']);
    const seen = new Set<string>();
    await eventually(async () => {
      const before = Date.now();
      const answered = await limits();
      const after = Date.now();
      if (after < end - 100) seen.add(`early ${answered}`);
      if (before > end + 100) seen.add(`late ${answered}`);
      return before > end + 100;
    });
    expect([...seen]).toEqual(['early 5,5,5', 'late 1000,1000,1000']);
    expect((await send('GET', path())).body).toMatchObject({ in_force: false });
    const ended = `/rate-limits/overrides?expires_before=${new Date().toISOString()}`;
    expect((await send('GET', ended)).body.data).toHaveLength(1);
  });

  it('comes in pages, the latest first', async () => {
    for (const rateClass of ['general', 'query', 'key_creation'])
      await send('PUT', `/rate-limits/overrides/users/u-1/${rateClass}`, windows(5));
    const first = await send('GET', '/rate-limits/overrides?limit=2&user_id=u-1');
    expect(first.body.data.map((row: { class: string }) => row.class)).toEqual(['key_creation', 'query']);
    const next = await send('GET', `/rate-limits/overrides?limit=2&user_id=u-1&cursor=${first.body.next_cursor}`);
    expect(next.body.data.map((row: { class: string }) => row.class)).toEqual(['general']);
    const up = await send('GET', '/rate-limits/overrides?limit=1&sort=updated_at');
    const upNext = await send('GET', `/rate-limits/overrides?sort=updated_at&cursor=${up.body.next_cursor}`);
    expect(upNext.body.data).toHaveLength(2);
  });

  it('of a user is kept for when there are users', async () => {
    const set = await send('PUT', '/rate-limits/overrides/users/u-2/query', windows(5));
    expect(set.body).toMatchObject({ client_id: null, user_id: 'u-2' });
    const explained = await send('POST', '/rate-limits/explain', { user_id: 'u-2', route: 'POST /api/v1/query' });
    expect(explained.body.buckets.map((bucket: { quota: number }) => bucket.quota)).toEqual([1000, 5]);
    expect((await send('GET', '/rate-limits/overrides/users/u-2/query')).status).toBe(200);
    expect((await send('DELETE', '/rate-limits/overrides/users/u-2/query')).status).toBe(204);
  });

  it('is refused for a client that does not exist, a class that is none, an end that is past, a bad user', async () => {
    const nobody = '/rate-limits/overrides/clients/cn_live_000000000000/general';
    expect((await send('PUT', nobody, windows(5))).status).toBe(404);
    const wrong: [string, unknown, string][] = [
      [path().replace('general', 'login'), windows(5), 'path.class'],
      [path(), { ...windows(5), expires_at: '2020-01-01T00:00:00Z' }, 'body.expires_at'],
      [path(), { ...windows(5), expires_at: '2030-02-30T00:00:00Z' }, 'body.expires_at'],
      [path(), { ...windows(5), expires_at: 7 }, 'body.expires_at'],
      ['/rate-limits/overrides/users/a%7Db/general', windows(5), 'path.user_id'],
    ];
    for (const [at, body, location] of wrong) {
      const answer = await send('PUT', at, body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0].location).toBe(location);
    }
  });

  it('goes with its client, in time', async () => {
    await send('PUT', path(), windows(5));
    await replica().database.query('DELETE FROM clients WHERE client_id = $1', [client.clientId]);
    const { RateLimitsRepository } = await import('../../src/traffic/rate-limit/rate-limits.repository.js');
    await replica().app.get(RateLimitsRepository, { strict: false }).removeOldOverrides();
    expect(await replica().database.query('SELECT FROM rate_limit_overrides')).toEqual([]);
  });
});

describe('who may', () => {
  it('read is not who may write', async () => {
    expect((await send('PUT', '/rate-limits/policies/general', windows(5), reader)).status).toBe(403);
    expect((await send('GET', '/rate-limits/policies', undefined, reader)).status).toBe(200);
  });

  it('write may change its own limit, and it stands in the audit log', async () => {
    const writer = await replica().createClient({ scopes: ['limits:write'] });
    const at = `/rate-limits/overrides/clients/${writer.clientId}/general`;
    const end = '2099-01-01T00:00:00.000Z';
    const body = { ...windows(7777), cost: 2, mode: 'shadow', reason: 'own', expires_at: end };
    expect((await send('PUT', at, body, writer)).status).toBe(200);
    expect((await send('PUT', at, windows(5), writer)).status).toBe(200);
    expect((await send('DELETE', at, undefined, writer)).status).toBe(204);
    const rows = await replica().database.query(
      'SELECT action, actor_id, subject_type, subject_id, details FROM audit_logs WHERE actor_id = $1 ORDER BY id',
      [writer.clientId],
    );
    const about = {
      actor_id: writer.clientId,
      subject_type: 'rate_limit',
      subject_id: `client:${writer.clientId}:general`,
    };
    const first = { windows: ['7777/3600'], cost: 2, shadow: true, reason: 'own', expires_at: end };
    const second = { windows: ['5/3600'], cost: 1, shadow: false, reason: null, expires_at: null };
    const previous = Object.entries(first).map(([name, value]) => [`previous_${name}`, value]);
    expect(rows).toEqual([
      { ...about, action: 'rate_limit.set', details: { class: 'general', ...first } },
      {
        ...about,
        action: 'rate_limit.set',
        details: { class: 'general', ...second, ...Object.fromEntries(previous) },
      },
      { ...about, action: 'rate_limit.remove', details: { class: 'general', ...second } },
    ]);
  });
});

describe('POST /api/v1/rate-limits/explain', () => {
  const explain = (body: object, on = replica()) => send('POST', '/rate-limits/explain', body, reader, on);
  const route = 'POST /api/v1/query';

  /** All that Redis holds of the client, and when it expires. */
  async function held(): Promise<unknown> {
    const redis = replica().redis?.client;
    const keys = ((await redis?.keys(`cn:{${client.clientId}}:bucket:*`)) ?? []).sort();
    return Promise.all(keys.map(async (key) => [key, await redis?.get(key), await redis?.call('PEXPIRETIME', key)]));
  }

  it('says of each bucket how full it is and where its limit comes from, and changes nothing', async () => {
    await send('PUT', '/rate-limits/policies/query', { ...windows(4, 600), cost: 2 });
    const end = '2099-01-01T00:00:00.000Z';
    const override = await send('PUT', `/rate-limits/overrides/clients/${client.clientId}/general`, {
      ...windows(20),
      expires_at: end,
    });
    await whoami();
    const before = await held();
    const answer = await explain({ client_id: client.clientId, route, n: 2 }, replica(1));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      client_id: client.clientId,
      user_id: null,
      tier: 'paid',
      route,
      n: 2,
      allowed: true,
      retry_after_seconds: null,
      degraded: false,
      streams: { concurrent: 100, mode: 'enforce', under_way: 0, source: { type: 'default' } },
    });
    expect(answer.body.buckets).toEqual([
      {
        class: 'general',
        quota: 20,
        window_seconds: 3600,
        mode: 'enforce',
        remaining: 19,
        needed: 2,
        lacking: false,
        reset_seconds: expect.any(Number),
        source: { type: 'override', tier: null, revision: override.body.revision, expires_at: end },
      },
      {
        class: 'query',
        quota: 4,
        window_seconds: 600,
        mode: 'enforce',
        remaining: 4,
        needed: 4,
        lacking: false,
        reset_seconds: 0,
        source: expect.objectContaining({ type: 'policy', tier: '*' }),
      },
    ]);
    const refused = await explain({ client_id: client.clientId, route, n: 3 });
    expect(refused.body).toMatchObject({ allowed: false, retry_after_seconds: null });
    const general = await explain({ client_id: client.clientId, route: 'GET /api/v1/whoami', n: 20 });
    expect(general.body.retry_after_seconds).toBeGreaterThan(170);
    expect(general.body.retry_after_seconds).toBeLessThanOrEqual(180);
    expect(refused.body.buckets.map(({ lacking }: { lacking: boolean }) => lacking)).toEqual([false, true]);
    expect(await held()).toEqual(before);
  });

  it('gives the id that the refusal has, on any replica, until its reason changes', async () => {
    await send('PUT', '/rate-limits/policies/general/paid', windows(2));
    await whoami();
    await whoami();
    const refused = await whoami(2);
    expect(refused.status).toBe(429);
    const id = refused.headers.get('x-ratelimit-decision');
    expect(id).toMatch(/^rld_[0-9a-f]{24}$/);
    expect(refused.body).toMatchObject({ code: 'rate_limited', decision_id: id });
    for (const on of replicas) {
      const { body } = await explain({ client_id: client.clientId, route: 'GET /api/v1/whoami' }, on);
      expect(body).toMatchObject({ allowed: false, decision_id: id });
    }
    const other = await explain({ client_id: client.clientId, route });
    expect(other.body.decision_id).not.toBe(id);
    await send('PUT', '/rate-limits/policies/general/paid', windows(2));
    const later = await explain({ client_id: client.clientId, route: 'GET /api/v1/whoami' });
    expect(later.body).toMatchObject({ allowed: false });
    expect(later.body.decision_id).not.toBe(id);
    expect((await whoami(1)).body.decision_id).toBe(later.body.decision_id);
  });

  it.each([
    ['GET /api/v1/clients/cn_live_0123456789AB', 'GET /api/v1/clients/:client_id', 1],
    ['GET /api/v1/clients/:client_id', 'GET /api/v1/clients/:client_id', 1],
    ['POST /api/v1/clients?x=1', 'POST /api/v1/clients', 2],
    ['HEAD /api/v1/whoami', 'GET /api/v1/whoami', 1],
    ['POST /v1beta/models/core-nest/echo:generateContent', 'POST /v1beta/models/*', 1],
    ['GET /v1/models', 'GET /v1/models', 1],
    ['GET /v1/models/core-nest/echo', 'GET /v1/models/*', 1],
    ['GET /health/live', 'GET /health/live', 0],
  ])('knows the route of %s', async (asked, known, buckets) => {
    const { body } = await explain({ client_id: client.clientId, route: asked });
    expect(body.route).toBe(known);
    expect(body.buckets).toHaveLength(buckets);
    expect(body.decision_id === null).toBe(buckets === 0);
    expect(body.allowed).toBe(true);
  });

  it.each([
    ['a route that is none', { route: 'GET /nothing' }, 'body.route'],
    ['another method', { route: 'PATCH /api/v1/whoami' }, 'body.route'],
    ['a route in another form', { route: '/api/v1/whoami' }, 'body.route'],
    ['two subjects', { route, user_id: 'u' }, 'body'],
    ['too many requests', { route, n: 1_000_001 }, 'body.n'],
  ])('refuses %s', async (_what, body, location) => {
    const answer = await explain({ client_id: client.clientId, ...body });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].location).toBe(location);
  });

  it('refuses a client that does not exist, a user that is none, and nobody', async () => {
    expect((await explain({ client_id: 'cn_live_000000000000', route })).status).toBe(404);
    expect((await explain({ user_id: 'a b', route })).status).toBe(400);
    expect((await explain({ route })).body.errors[0].location).toBe('body');
  });
});
