// Whoever is signed in: an access token and a session's cookie against a bare Nest, and Better Auth at the same work.
import { floor } from './floors.mjs';
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
  const peer = await stack.betterAuth();
  const theirs = await (await fetch(`${peer.origin}/credentials`)).json();
  const base = { name: 'bare Nest on Fastify, small JSON', server: bare, url: `${bare.origin}/small` };
  const subjects = [
    { ...whoami(core, token), name: 'whoami, access token' },
    { ...whoami(core, token), headers: { cookie }, name: "whoami, session's cookie" },
    { ...whoami(core, stack.client.key), name: 'whoami, api key' },
    {
      name: 'Better Auth get-session, Redis',
      server: peer,
      url: `${peer.origin}/api/auth/get-session`,
      headers: { cookie: theirs.cookie },
    },
    {
      name: 'Better Auth api-key verify, Redis',
      server: peer,
      url: `${peer.origin}/verify`,
      headers: { 'x-api-key': theirs.key },
    },
  ];
  const result = await compare(base, subjects, { ...plan, directory: stack.directory });
  console.log(comparison(result));
  const [, byToken, byCookie, byKey, theirSession, theirKey] = result.rows.map(({ ratio }) => ratio);
  return [
    floor('whoami by access token ≥ 0.28 of bare Nest on Fastify', byToken, (value) => value >= 0.28),
    floor("whoami by session's cookie ≥ 0.28 of bare Nest on Fastify", byCookie, (value) => value >= 0.28),
    floor('session ≥ 8 × Better Auth get-session', byCookie / theirSession, (value) => value >= 8),
    floor('api key ≥ 8 × Better Auth api-key verify', byKey / theirKey, (value) => value >= 8),
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
