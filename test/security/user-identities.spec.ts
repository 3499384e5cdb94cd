import { startApp, type TestApp } from '../support/app.js';
import { accessTokenOf, type BuiltSession, buildSession, buildUser, type Person } from '../support/people.js';
import { RawConnection } from '../support/raw-http.js';

let app: TestApp;
let person: Person;
let browser: BuiltSession;
let shown: Record<string, readonly [name: string, value: string]>;

beforeAll(async () => {
  app = await startApp({
    settings: {
      RATE_LIMITS: 'general.paid=1000000/3600,general.free=20/3600,login=1000000/60,key_creation=1000000/60',
    },
  });
  person = await buildUser(app.database, { roles: ['owner'] });
  browser = await buildSession(app.database, person.id, { kind: 'cookie' });
  const client = await app.createClient({ scopes: ['admin'] });
  const token = await accessTokenOf(app, await buildSession(app.database, person.id));
  const basic = Buffer.from(`${client.clientId}:${client.apiKey.slice(client.clientId.length + 1)}`).toString('base64');
  shown = {
    'a key': ['X-API-Key', client.apiKey],
    'a key as bearer': ['Authorization', `Bearer ${client.apiKey}`],
    'id and secret': ['Authorization', `Basic ${basic}`],
    'an access token': ['Authorization', `Bearer ${token}`],
    "a session's cookie": ['Cookie', `__Host-core-nest-session=${browser.cookie}`],
  };
});
afterAll(() => app?.stop());

const KINDS = ['a key', 'a key as bearer', 'id and secret', 'an access token', "a session's cookie"];

/** The status and code of a request with exactly these header lines. */
async function ask(lines: readonly (readonly [string, string])[], target = 'GET /api/v1/whoami') {
  const connection = await RawConnection.open(app.port);
  try {
    const head = [`${target} HTTP/1.1`, 'Host: x', ...lines.map(([name, value]) => `${name}: ${value}`)];
    connection.send(`${head.join('\r\n')}\r\nConnection: close\r\n\r\n`);
    const answer = await connection.response();
    return { status: answer?.status, code: (JSON.parse(answer?.body ?? '{}') as { code?: string }).code };
  } finally {
    connection.socket.destroy();
  }
}

it.each(KINDS)('%s alone is let in', async (kind) => {
  expect((await ask([shown[kind] as [string, string]])).status).toBe(200);
});

it.each(KINDS.flatMap((one) => KINDS.map((other) => [one, other] as const)))(
  '%s beside %s is ambiguous, and neither is tried',
  async (one, other) => {
    const lines = [shown[one], shown[other]] as [string, string][];
    expect(await ask(lines)).toEqual({ status: 400, code: 'ambiguous_credentials' });
  },
);

it.each([
  ['a token among the keys', (): [string, string] => ['X-API-Key', shown['an access token']?.[1].slice(7) ?? '']],
  [
    'a token under another scheme',
    (): [string, string] => ['Authorization', `DPoP ${shown['an access token']?.[1].slice(7)}`],
  ],
  ['a token without a scheme', (): [string, string] => ['Authorization', shown['an access token']?.[1].slice(7) ?? '']],
])('%s is no key', async (_what, line) => {
  expect(await ask([line()])).toEqual({ status: 401, code: 'invalid_api_key' });
});

it.each([
  ['the cookie of another name', () => `core-nest-session=${browser.cookie}`],
  ['the cookie in other letters', () => `__host-core-nest-session=${browser.cookie}`],
])('%s is none', async (_what, cookie) => {
  expect(await ask([['Cookie', cookie()]])).toEqual({ status: 401, code: 'missing_credentials' });
});

it('a token in the query or a body is not read', async () => {
  const token = shown['an access token']?.[1].slice(7);
  expect(await ask([], `GET /api/v1/whoami?access_token=${token}`)).toEqual({
    status: 401,
    code: 'missing_credentials',
  });
});

it('a key and a token of the same power reach the same routes', async () => {
  const { paths } = (await (await fetch(`${app.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const key = { [shown['a key']?.[0] ?? '']: shown['a key']?.[1] ?? '' };
  const token = { [shown['an access token']?.[0] ?? '']: shown['an access token']?.[1] ?? '' };
  let compared = 0;
  for (const [template, methods] of Object.entries(paths)) {
    // Signing out and the like would end the token of this test.
    if (/logout|revoke|sessions/.test(template)) continue;
    for (const method of Object.keys(methods)) {
      const path = template.replace(/\{[^}]+\}/g, 'nothing-of-this-name');
      const [byKey, byToken] = await Promise.all(
        [key, token].map(async (headers) => {
          const response = await fetch(`${app.url}${path}`, { method: method.toUpperCase(), headers });
          const text = await response.text();
          const code = response.ok ? undefined : (JSON.parse(text) as { code?: string }).code;
          return { status: response.status, code };
        }),
      );
      // What is one's own is nobody's where the key belongs to nobody.
      if (byKey?.code === 'user_required') continue;
      expect({ template, method, ...byToken }).toEqual({ template, method, ...byKey });
      compared += 1;
    }
  }
  expect(compared).toBeGreaterThan(40);
}, 60_000);

it('a user has one limit, whatever they call with, and it is exact under 200 requests at once', async () => {
  const limited = await buildUser(app.database, { tier: 'free' });
  const cookie = `__Host-core-nest-session=${(await buildSession(app.database, limited.id, { kind: 'cookie' })).cookie}`;
  const token = await accessTokenOf(app, await buildSession(app.database, limited.id));
  const statuses = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      const headers: Record<string, string> = n % 2 === 0 ? { cookie } : { authorization: `Bearer ${token}` };
      const response = await fetch(`${app.url}/api/v1/whoami`, { headers });
      await response.arrayBuffer();
      return response.status;
    }),
  );
  expect(statuses.filter((status) => status === 200)).toHaveLength(20);
  expect(statuses.filter((status) => status === 429)).toHaveLength(180);
});
