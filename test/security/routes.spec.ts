import type { AddressInfo } from 'node:net';
import { Controller, Get } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { RouteOptions } from 'fastify';
import { AppModule } from '../../src/app.module.js';
import { PERMISSIONS, type Permission, type Requirement } from '../../src/kernel/handler-marks.js';
import { EdgeAdapter } from '../../src/platform/http/edge-adapter.js';
import { APP_OPTIONS, setUpApp } from '../../src/platform/http/http-app.js';
import { NO_PROVIDERS } from '../support/app.js';
import { buildSettings } from '../support/build-settings.js';
import { type InsertedClient, insertClient, wrongKeyOf } from '../support/insert-client.js';
import { buildUser } from '../support/people.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Everything that answers without a credential. One more on this list is a decision, not an accident. */
const OPEN = [
  'POST /api/v1/auth/refresh',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'POST /api/v1/auth/login',
  'POST /api/v1/leaked-keys',
  'POST /api/v1/auth/accept-invite',
  'POST /api/v1/auth/verify-email',
  'POST /api/v1/auth/forgot-password',
  'POST /api/v1/auth/reset-password',
  'GET /health/live',
  'GET /health/ready',
  'GET /openapi.json',
  'GET /docs',
  'GET /docs/',
  'GET /docs/*',
  'GET /docs/LICENSE',
  'GET /docs/docs/swagger-ui-init.js',
  'GET /docs/index.html',
  'GET /docs/swagger-ui-init.js',
];

/** Every other route, and what it asks for. */
const NEEDS: ReadonlyMap<string, Requirement> = new Map([
  ['GET /api/v1/whoami', 'authenticated'],
  ['GET /api/v1/auth/csrf', 'authenticated'],
  ['POST /api/v1/auth/revoke', 'authenticated'],
  ['POST /api/v1/auth/introspect', 'tokens:read'],
  ['POST /oauth/token', 'authenticated'],
  ['POST /api/v1/tokens/revoke-all', 'admin'],
  ['POST /api/v1/users/:user_id/tokens/revoke-all', 'tokens:delete'],
  ['POST /api/v1/clients/:client_id/tokens/revoke-all', 'tokens:delete'],
  ['POST /api/v1/clients', 'clients:write'],
  ['GET /api/v1/clients', 'clients:read'],
  ['GET /api/v1/clients/:client_id', 'clients:read'],
  ['PATCH /api/v1/clients/:client_id', 'clients:write'],
  ['DELETE /api/v1/clients/:client_id', 'clients:delete'],
  ['POST /api/v1/clients/:client_id/secrets', 'clients:write'],
  ['DELETE /api/v1/clients/:client_id/secrets/:id', 'clients:write'],
  ['POST /api/v1/clients/:client_id/owner', 'clients:write'],
  ['GET /api/v1/clients/:client_id/usage', 'clients:read'],
  ['POST /api/v1/api-keys', 'api_keys:write'],
  ['PATCH /api/v1/api-keys/:client_id', 'api_keys:write'],
  ['POST /api/v1/api-keys/:client_id/secrets', 'api_keys:write'],
  ['POST /api/v1/users', 'users:write'],
  ['GET /api/v1/users', 'users:read'],
  ['GET /api/v1/users/:user_id', 'users:read'],
  ['PATCH /api/v1/users/:user_id', 'users:write'],
  ['DELETE /api/v1/users/:user_id', 'users:delete'],
  ['POST /api/v1/users/:user_id/invitation', 'users:write'],
  ['GET /api/v1/users/:user_id/sessions', 'sessions:read'],
  ['DELETE /api/v1/users/:user_id/sessions/:session_id', 'sessions:delete'],
  ['DELETE /api/v1/users/:user_id/sessions', 'sessions:delete'],
  ['GET /api/v1/session-analytics', 'sessions:read'],
  ['POST /api/v1/ip-rules', 'ip_rules:write'],
  ['GET /api/v1/ip-rules', 'ip_rules:read'],
  ['GET /api/v1/ip-rules/:id', 'ip_rules:read'],
  ['PATCH /api/v1/ip-rules/:id', 'ip_rules:write'],
  ['DELETE /api/v1/ip-rules/:id', 'ip_rules:write'],
  ['GET /api/v1/audit-logs', 'audit:read'],
  ['GET /api/v1/api-logs', 'logs:read'],
  ['GET /api/v1/api-logs/export', 'logs:read'],
  ['GET /api/v1/api-logs/rollups', 'logs:read'],
  ['GET /metrics', 'metrics:read'],
  ['GET /api/v1/rate-limits', 'limits:read'],
  ['GET /api/v1/rate-limits/policies', 'limits:read'],
  ['GET /api/v1/rate-limits/policies/:class', 'limits:read'],
  ['PUT /api/v1/rate-limits/policies/:class', 'limits:write'],
  ['DELETE /api/v1/rate-limits/policies/:class', 'limits:write'],
  ['GET /api/v1/rate-limits/policies/:class/:tier', 'limits:read'],
  ['PUT /api/v1/rate-limits/policies/:class/:tier', 'limits:write'],
  ['DELETE /api/v1/rate-limits/policies/:class/:tier', 'limits:write'],
  ['GET /api/v1/rate-limits/overrides', 'limits:read'],
  ['GET /api/v1/rate-limits/overrides/clients/:client_id/:class', 'limits:read'],
  ['PUT /api/v1/rate-limits/overrides/clients/:client_id/:class', 'limits:write'],
  ['DELETE /api/v1/rate-limits/overrides/clients/:client_id/:class', 'limits:write'],
  ['GET /api/v1/rate-limits/overrides/users/:user_id/:class', 'limits:read'],
  ['PUT /api/v1/rate-limits/overrides/users/:user_id/:class', 'limits:write'],
  ['DELETE /api/v1/rate-limits/overrides/users/:user_id/:class', 'limits:write'],
  ['POST /api/v1/rate-limits/explain', 'limits:read'],
  ['POST /api/v1/roles', 'roles:write'],
  ['GET /api/v1/roles', 'roles:read'],
  ['GET /api/v1/roles/:role_id', 'roles:read'],
  ['PATCH /api/v1/roles/:role_id', 'roles:write'],
  ['DELETE /api/v1/roles/:role_id', 'roles:delete'],
  ['POST /api/v1/permissions', 'roles:write'],
  ['GET /api/v1/permissions', 'roles:read'],
  ['GET /api/v1/permissions/:permission', 'roles:read'],
  ['PATCH /api/v1/permissions/:permission', 'roles:write'],
  ['DELETE /api/v1/permissions/:permission', 'roles:delete'],
  ['POST /api/v1/users/:user_id/grants', 'grants:write'],
  ['GET /api/v1/users/:user_id/grants', 'grants:read'],
  ['GET /api/v1/users/:user_id/grants/:grant_id', 'grants:read'],
  ['PATCH /api/v1/users/:user_id/grants/:grant_id', 'grants:write'],
  ['DELETE /api/v1/users/:user_id/grants/:grant_id', 'grants:write'],
  ['POST /api/v1/access/explain', 'access:read'],
  ['GET /api/v1/access/who-can', 'access:read'],
  ['POST /api/v1/query', 'llm:invoke'],
  ['GET /v1/models', 'llm:invoke'],
  ['GET /v1/models/*', 'llm:invoke'],
  ['POST /v1/models/*', 'llm:invoke'],
  ['POST /v1/chat/completions', 'llm:invoke'],
  ['POST /v1/completions', 'llm:invoke'],
  ['POST /v1/embeddings', 'llm:invoke'],
  ['POST /v1/responses', 'llm:invoke'],
  ['POST /v1/messages', 'llm:invoke'],
  ['POST /v1/messages/count_tokens', 'llm:invoke'],
  ['POST /v1beta/models/*', 'llm:invoke'],
]);

/** Routes about the caller's own things: what a key that acts for its owner has to hold. */
const SELF: ReadonlyMap<string, Permission> = new Map([
  ['GET /api/v1/me', 'users:read'],
  ['POST /api/v1/auth/logout', 'sessions:delete'],
  ['POST /api/v1/auth/reauthenticate', 'users:write'],
  ['POST /api/v1/me/password', 'users:write'],
  ['POST /api/v1/me/email', 'users:write'],
  ['GET /api/v1/sessions', 'sessions:read'],
  ['DELETE /api/v1/sessions/:session_id', 'sessions:delete'],
  ['DELETE /api/v1/sessions', 'sessions:delete'],
  ['GET /api/v1/api-keys', 'api_keys:read'],
  ['GET /api/v1/api-keys/:client_id', 'api_keys:read'],
  ['GET /api/v1/api-keys/:client_id/usage', 'api_keys:read'],
  ['DELETE /api/v1/api-keys/:client_id', 'api_keys:delete'],
  ['DELETE /api/v1/api-keys/:client_id/secrets/:id', 'api_keys:delete'],
]);

/** Of these, what no key can do, whoever it belongs to: it has no session to end. */
const NO_KEY = new Set(['POST /api/v1/auth/logout']);

/** The routes a provider token alone opens: those that use it, and the one that tells a caller who it is. */
const BYOT = new Set(
  [...NEEDS.keys()].filter((route) => NEEDS.get(route) === 'llm:invoke' || route.includes('whoami')),
);

const FORGOTTEN = 'GET /forgotten';

/** A controller whose author forgot the mark. */
@Controller('forgotten')
class Forgotten {
  @Get()
  answer() {
    return 'should not be seen';
  }
}

let database: TestDatabase;
let app: NestFastifyApplication;
let url: string;
let admin: InsertedClient;
let nobody: InsertedClient;
/** Clients that hold one permission, and clients that hold all but one. */
const holders = new Map<Requirement, InsertedClient>();
const others = new Map<Requirement, InsertedClient>();
const routes = new Set<string>();

beforeAll(async () => {
  database = await createTestDatabase();
  const settings = buildSettings({ DATABASE_URL: database.url, ...NO_PROVIDERS });
  const module = await Test.createTestingModule({
    imports: [AppModule.for(settings)],
    controllers: [Forgotten],
  }).compile();
  const adapter = new EdgeAdapter(settings);
  app = module.createNestApplication<NestFastifyApplication>(adapter, APP_OPTIONS);
  adapter.getInstance().addHook('onRoute', ({ method, url: template }: RouteOptions) => {
    for (const each of [method].flat()) routes.add(`${each} ${template}`);
  });
  setUpApp(app);
  await app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;

  admin = await insertClient(database, { scopes: ['admin'] });
  nobody = await insertClient(database, { scopes: [] });
  for (const permission of PERMISSIONS) {
    holders.set(permission, await insertClient(database, { scopes: [permission] }));
    const [resource] = permission.split(':');
    const scopes = PERMISSIONS.filter((each) => each !== permission && each !== `${resource}:admin`);
    others.set(permission, await insertClient(database, { scopes }));
  }
  holders.set('admin', admin);
  others.set('admin', await insertClient(database, { scopes: PERMISSIONS }));
});

afterAll(async () => {
  app.getHttpServer().closeAllConnections();
  await app.close();
  await database.drop();
});

describe('the routes', () => {
  it('are the open ones, the ones listed here with what they ask for, and the forgotten one', () => {
    const listed = [...OPEN, ...NEEDS.keys(), ...SELF.keys(), FORGOTTEN];
    expect([...routes].filter((route) => !route.startsWith('HEAD ')).sort()).toEqual(listed.sort());
    const headOf = (route: string) => route.replace('HEAD ', 'GET ');
    for (const route of routes) expect(listed).toContain(headOf(route));
  });

  it.each(OPEN)('%s needs no credential, and does not look at a bad one', async (route) => {
    expect((await call(route)).status).not.toBe(401);
    expect((await call(route, { authorization: 'Bearer wrong' })).status).not.toBe(401);
  });
});

describe.each([...NEEDS.keys()])('%s', (route) => {
  const requirement = NEEDS.get(route) as Requirement;
  const methods = route.startsWith('GET ') ? [route, route.replace('GET ', 'HEAD ')] : [route];

  it.each(methods)('%s is 401 without a credential and with a wrong one', async (each) => {
    const wrong: Record<string, string>[] = [
      {},
      { 'x-api-key': 'wrong' },
      { authorization: `Bearer ${wrongKeyOf(admin.clientId)}` },
    ];
    for (const headers of wrong) {
      const response = await call(each, headers);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="core-nest".*Basic realm="core-nest"/);
      expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  if (requirement !== 'authenticated') {
    it.each(methods)('%s is 403 to a client that holds nothing, or everything else', async (each) => {
      for (const key of [nobody.apiKey, others.get(requirement)?.apiKey]) {
        const response = await call(each, { authorization: `Bearer ${key}` });
        expect(response.status).toBe(403);
        expect(response.headers.get('cache-control')).toBe('no-store');
        if (each === route) expect(await response.text()).toContain(`\\"${requirement}\\"`);
      }
    });
  }

  it('lets on a client that holds just that, and an administrator', async () => {
    const just = requirement === 'authenticated' ? nobody : holders.get(requirement);
    for (const key of [just?.apiKey, admin.apiKey]) {
      expect([401, 403]).not.toContain((await call(route, { authorization: `Bearer ${key}` })).status);
    }
  });

  it(`is ${BYOT.has(route) ? 'open' : '403'} to a provider token alone`, async () => {
    const { status } = await call(route, { 'x-provider-token': 'sk-of-the-caller' });
    if (BYOT.has(route)) expect([401, 403]).not.toContain(status);
    else expect(status).toBe(403);
  });
});

describe.each([...SELF])('%s', (route, permission) => {
  it('is 401 without a credential, and 403 to clients of nobody, administrators included', async () => {
    expect((await call(route)).status).toBe(401);
    for (const { apiKey } of [nobody, admin]) {
      const response = await call(route, { authorization: `Bearer ${apiKey}` });
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([403, 'user_required']);
    }
    expect((await call(route, { 'x-provider-token': 'sk-of-the-caller' })).status).toBe(403);
  });

  it('is open to a key of somebody that holds just that, and to no other', async () => {
    const owner = await buildUser(database);
    const keyWith = async (scopes: readonly string[]) => {
      const { apiKey } = await insertClient(database, { scopes, ownerId: owner.id });
      return (await call(route, { authorization: `Bearer ${apiKey}` })).status;
    };
    const status = await keyWith([permission]);
    if (NO_KEY.has(route)) expect(status).toBe(403);
    else expect([401, 403]).not.toContain(status);
    expect(await keyWith(PERMISSIONS.filter((each) => each !== permission && !each.endsWith(':admin')))).toBe(403);
  });
});

describe('a route without a mark', () => {
  it('is 401 to nobody and 403 to everybody, administrators included', async () => {
    expect((await call(FORGOTTEN)).status).toBe(401);
    const known: Record<string, string>[] = [{ 'x-api-key': admin.apiKey }, { 'x-provider-token': 'sk-of-the-caller' }];
    for (const headers of known) {
      const response = await call(FORGOTTEN, headers);
      expect(response.status).toBe(403);
      expect(await response.text()).not.toContain('should not be seen');
    }
  });
});

describe('a path that is nowhere', () => {
  it.each(['/nothing', '/v1/nothing', '/api/v1/clients/a/b/c', '/API/V1/whoami', '//api/v1/whoami', '/api/v1/whoami/'])(
    '%s is 404 and gives nothing away',
    async (path) => {
      const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${admin.apiKey}` } });
      expect(response.status).toBe(404);
      expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    },
  );

  it('is not reached by telling the server to take another method or path', async () => {
    const tricks = ['x-http-method-override', 'x-original-url', 'x-rewrite-url', 'x-forwarded-prefix'];
    for (const name of tricks) {
      const response = await fetch(`${url}/health/live`, { headers: { [name]: '/api/v1/clients' } });
      expect(await response.json()).toEqual({ status: 'live' });
    }
  });
});

/** A request on a route, with something in place of its parameters and no body. */
function call(route: string, headers: Record<string, string> = {}): Promise<Response> {
  const [method = '', template = ''] = route.split(' ');
  const path = template
    .replace(':client_id', 'cn_live_000000000000')
    .replace('v1beta/models/*', 'v1beta/models/nothing:generateContent')
    .replace('*', 'nothing');
  return fetch(`${url}${path}`, { method, headers });
}
