import type { TestApp } from './app.js';
import { accessTokenOf, buildSession, buildUser, type Person } from './people.js';

/** Somebody with an access token of a session of their own. */
export interface SignedIn extends Person {
  readonly token: string;
  readonly sessionId: string;
}

/** A new user, signed in past the sign-in. */
export async function signedIn(
  app: TestApp,
  overrides: Parameters<typeof buildUser>[1] & { readonly scopes?: readonly string[] } = {},
): Promise<SignedIn> {
  const { scopes, ...person } = overrides;
  const user = await buildUser(app.database, person);
  const session = await buildSession(app.database, user.id);
  return { ...user, sessionId: session.id, token: await accessTokenOf(app, session, scopes) };
}

/** An answer of the management API. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

/** Asks as whoever the bearer token or api key stands for. */
export async function ask(
  origin: string,
  credential: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiAnswer> {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${credential}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}
