// Better Auth as its documentation sets it up, with its limits on: a session looked up, and an API key verified, by a bare
// server. On PostgreSQL alone, as it is by default, or with `REDIS_URL` as its secondary storage. `GET /credentials` tells
// what to ask it with.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import pg from 'pg';

const require = createRequire(process.env.PEERS);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { betterAuth } = await load('better-auth');
const { getMigrations } = await load('better-auth/db');
const { toNodeHandler } = await load('better-auth/node');
const { apiKey } = await load('better-auth/plugins');

const LIMIT = 900_000_000;

const redis = process.env.REDIS_URL ? new Redis(process.env.REDIS_URL) : null;
const storage = redis === null ? 'database' : 'secondary-storage';
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: 'a secret of the bench and of nothing else',
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  ...(redis && {
    secondaryStorage: {
      get: (key) => redis.get(key),
      set: (key, value, ttl) => (ttl ? redis.set(key, value, 'EX', ttl) : redis.set(key, value)),
      delete: (key) => redis.del(key),
    },
  }),
  emailAndPassword: { enabled: true },
  // On as in production, and where replicas share it: core-nest counts every request as well.
  rateLimit: { enabled: true, storage, window: 3_600, max: LIMIT },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 3_600_000, maxRequests: LIMIT }, storage })],
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const { headers, response } = await auth.api.signUpEmail({
  body: { email: `bench@${storage}.test`, password: 'a password of the bench', name: 'Bench' },
  returnHeaders: true,
});
const cookie = headers
  .getSetCookie()
  .map((line) => line.split(';', 1)[0])
  .join('; ');
const { key } = await auth.api.createApiKey({ body: { userId: response.user.id } });

const handler = toNodeHandler(auth);
createServer(async (request, reply) => {
  if (request.url === '/credentials') return answer(reply, { cookie, key });
  if (request.url !== '/verify') return handler(request, reply);
  const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers['x-api-key'] ?? '' } });
  answer(reply, { valid }, valid ? 200 : 401);
}).listen(Number(process.env.PORT), '127.0.0.1');

function answer(reply, body, status = 200) {
  reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
