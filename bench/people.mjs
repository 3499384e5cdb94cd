// Whoever is signed in: an access token and a session's cookie against a bare Nest, and Better Auth at the same work.
import { floor, goal } from './floors.mjs';
import { compare } from './rounds.mjs';
import { whoami } from './subjects.mjs';
import { comparison } from './table.mjs';

const EMAIL = 'bench@example.test';
const PASSWORD = 'violet harbour-41 tin kettle';

/** One user, signed in twice: for tokens, and by cookie. */
export async function people(stack, plan) {
  const bare = await stack.bareNest();
  const core = await stack.coreNest({
    redis: true,
    name: 'core-nest-people',
    env: { BOOTSTRAP_ADMIN_EMAIL: EMAIL, BOOTSTRAP_ADMIN_PASSWORD: PASSWORD, ACCESS_TOKEN_TTL_SECONDS: '3600' },
  });
  const { token, cookie } = await signIn(core);
  const base = { name: 'bare Nest on Fastify, small JSON', server: bare, url: `${bare.origin}/small` };
  const subjects = [
    { ...whoami(core, token), name: 'whoami, access token' },
    { ...whoami(core, token), headers: { cookie }, name: "whoami, session's cookie" },
    { ...whoami(core, stack.client.key), name: 'whoami, api key' },
    ...(await peersOf(stack, { redis: false })),
    ...(await peersOf(stack, { redis: true })),
  ];
  const result = await compare(base, subjects, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  const [, byToken, byCookie, byKey, theirSession, theirKey, redisSession, redisKey] = result.rows.map(
    ({ ratio }) => ratio,
  );
  const ahead = (value) => value >= 8;
  return [
    floor('whoami by access token ≥ 0.28 of bare Nest on Fastify', byToken, (value) => value >= 0.28),
    floor("whoami by session's cookie ≥ 0.28 of bare Nest on Fastify", byCookie, (value) => value >= 0.28),
    floor('session ≥ 8 × Better Auth get-session', byCookie / theirSession, ahead),
    floor('api key ≥ 8 × Better Auth api-key verify', byKey / theirKey, ahead),
    goal('session ≥ 8 × Better Auth get-session with Redis', byCookie / redisSession, ahead),
    goal('api key ≥ 8 × Better Auth api-key verify with Redis', byKey / redisKey, ahead),
  ];
}

/** A session and a key at a Better Auth. */
async function peersOf(stack, storage) {
  const server = await stack.betterAuth(storage);
  const { cookie, key } = await (await fetch(`${server.origin}/credentials`)).json();
  const where = storage.redis ? 'Redis' : 'PostgreSQL';
  return [
    {
      name: `Better Auth get-session, ${where}`,
      server,
      url: `${server.origin}/api/auth/get-session`,
      headers: { cookie },
    },
    {
      name: `Better Auth api-key verify, ${where}`,
      server,
      url: `${server.origin}/verify`,
      headers: { 'x-api-key': key },
    },
  ];
}

/** Signs the first administrator in, under a tier without practical limit. */
async function signIn({ origin }) {
  const login = async (mode) => {
    const response = await fetch(`${origin}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: EMAIL, password: PASSWORD, mode }),
    });
    if (!response.ok) throw new Error(`Signing in was answered ${response.status}.`);
    return { body: await response.json(), cookies: response.headers.getSetCookie() };
  };
  const { body } = await login('token');
  const changed = await fetch(`${origin}/api/v1/users/${body.user.user_id ?? body.user.id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${body.access_token}` },
    body: JSON.stringify({ tier: 'bench' }),
  });
  if (!changed.ok) throw new Error(`Changing the tier was answered ${changed.status}.`);
  const { cookies } = await login('cookie');
  const cookie = cookies.find((line) => line.startsWith('__Host-core-nest-session=')).split(';', 1)[0];
  return { token: body.access_token, cookie };
}
