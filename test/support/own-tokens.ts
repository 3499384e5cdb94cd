import { TokensService } from '../../src/identity/tokens/tokens.service.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import type { TestApp } from './app.js';
import type { InsertedClient } from './insert-client.js';
import { buildSession, type Person } from './people.js';

/** The tokens of a sign-in, as the wire has them. */
export interface WireTokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly session_id: string;
  readonly expires_in: number;
  readonly refresh_expires_in: number;
}

/** An answer with its body read; null: it had none. */
export interface Answer<Body = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

const FORM = 'application/x-www-form-urlencoded';

/** Sends a body: an object as JSON, a text as a form. */
export async function post<Body = Record<string, unknown>>(
  app: Pick<TestApp, 'url'>,
  path: string,
  body: object | string,
  headers: Record<string, string> = {},
): Promise<Answer<Body>> {
  const isForm = typeof body === 'string';
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': isForm ? FORM : 'application/json', ...headers },
    body: isForm ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

/** What a replica answers to a bearer token: the status. */
export async function statusWith(app: Pick<TestApp, 'url'>, token: string, path = '/api/v1/whoami'): Promise<number> {
  const response = await fetch(`${app.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

/** The tokens of a sign-in, without one: straight from the room that gives them, so that no limit counts it. */
export async function signIn(app: TestApp, { id: userId }: Person): Promise<WireTokens> {
  const expiresAt = new Date(Date.now() + 60 * 86_400_000);
  const { id } = await buildSession(app.database, userId, { idleSeconds: 14 * 86_400, expiresAt });
  const session = { id, userId, amr: ['pwd'], authenticatedAt: new Date(), expiresAt };
  const tokens = app.app.get(TokensService, { strict: false });
  const issued = await app.app
    .get(Transactions, { strict: false })
    .run((transaction) => tokens.issue({ session }, transaction));
  return {
    access_token: issued.accessToken.reveal(),
    refresh_token: issued.refreshToken.reveal(),
    session_id: id,
    expires_in: issued.expiresIn,
    refresh_expires_in: issued.refreshExpiresIn,
  };
}

/** Exchanges a refresh token. */
export function refresh(app: Pick<TestApp, 'url'>, token: string, headers?: Record<string, string>) {
  return post<WireTokens>(app, '/api/v1/auth/refresh', { refresh_token: token }, headers);
}

/** A short token of a client. */
export async function clientToken(
  app: Pick<TestApp, 'url'>,
  { apiKey }: Pick<InsertedClient, 'apiKey'>,
  scope?: string,
): Promise<string> {
  const form = `grant_type=client_credentials${scope === undefined ? '' : `&scope=${encodeURIComponent(scope)}`}`;
  const { status, body } = await post(app, '/oauth/token', form, { authorization: `Bearer ${apiKey}` });
  if (status !== 200) throw new Error(`The token was answered ${status}.`);
  return String(body.access_token);
}

/** The Basic header of a client's api key. */
export function basicOf({ clientId, apiKey }: Pick<InsertedClient, 'clientId' | 'apiKey'>): Record<string, string> {
  const pair = `${clientId}:${apiKey.slice(clientId.length + 1)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
