import type { IncomingMessage } from 'node:http';
import { AmbiguousCredentialsError, type FieldError, InvalidRequestError } from '../../kernel/app-error.js';
import { BYOT_PROVIDERS, type ByotProvider, type ProviderToken } from '../../kernel/auth-state.js';
import { Secret } from '../../kernel/secret.js';
import type { SessionCookie } from '../sessions/session-cookie.service.js';

/** The one identity a request claims, as its header carried it. */
export interface PresentedIdentity {
  readonly header: 'authorization' | 'api-key';
  readonly value: Secret;
}

/** As much of a request as its credentials are read from, and the page that made it judged by. */
export type PresentingRequest = Pick<IncomingMessage, 'rawHeaders' | 'method' | 'headers'>;

/** The session a browser's cookie claims, and the request it came with. */
export interface PresentedSession {
  readonly cookie: SessionCookie;
  readonly request: PresentingRequest;
}

/** Every credential of a request. Only what is behind this file's function ever reads the headers themselves. */
export interface PresentedCredentials {
  readonly identity: PresentedIdentity | null;
  readonly providerToken: ProviderToken | null;
  readonly session: PresentedSession | null;
}

const MAX_PROVIDER_TOKEN = 4_096;
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** Header names by length, so that most headers of a request cost one look at their length. */
const LENGTHS = new Set(
  ['authorization', 'cookie', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-provider-token', 'x-provider'].map(
    (name) => name.length,
  ),
);

/**
 * Reads the credential headers from the raw lines (name, value, name, value …), because the joined headers of Node lose
 * a second `Authorization` and glue a second `X-API-Key` to the first.
 *
 * @throws AmbiguousCredentialsError for two identities, or one of these headers twice; InvalidRequestError for a
 *   provider or provider token that is not one.
 */
export function readCredentialHeaders(
  request: PresentingRequest,
  readSession: (rawHeaders: readonly string[]) => SessionCookie | null,
): PresentedCredentials {
  const { rawHeaders } = request;
  let hasCookies = false;
  let identity: PresentedIdentity | null = null;
  let token: string | null = null;
  let provider: string | null = null;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!LENGTHS.has(name.length)) continue;
    const value = rawHeaders[index + 1] ?? '';
    switch (name.toLowerCase()) {
      case 'authorization':
        if (identity !== null) throw ambiguous();
        identity = { header: 'authorization', value: new Secret(value) };
        break;
      case 'x-api-key':
      case 'api-key':
      case 'x-goog-api-key':
        if (identity !== null) throw ambiguous();
        identity = { header: 'api-key', value: new Secret(value) };
        break;
      case 'cookie':
        hasCookies = true;
        break;
      case 'x-provider-token':
        if (token !== null) throw ambiguous();
        token = value;
        break;
      case 'x-provider':
        if (provider !== null) throw ambiguous();
        provider = value;
        break;
    }
  }
  const cookie = hasCookies ? readSession(rawHeaders) : null;
  return {
    identity,
    session: cookie === null ? null : { cookie, request },
    providerToken: token === null ? null : readProviderToken(token, provider),
  };
}

const BEARER = 'bearer ';

/** The JWT in an `Authorization` header (RFC 6750); null for anything else. No key of ours has a dot, and every JWT has. */
export function bearerJwtOf({ header, value }: PresentedIdentity): string | null {
  if (header !== 'authorization') return null;
  const text = value.reveal();
  if (!text.includes('.') || text.slice(0, BEARER.length).toLowerCase() !== BEARER) return null;
  return text.slice(BEARER.length);
}

function ambiguous(): AmbiguousCredentialsError {
  return new AmbiguousCredentialsError(
    'More than one credential was sent. Send one of Authorization, X-API-Key, api-key and x-goog-api-key, and each header once.',
  );
}

function readProviderToken(token: string, provider: string | null): ProviderToken {
  const errors: FieldError[] = [];
  if (token.length > MAX_PROVIDER_TOKEN || !VISIBLE_ASCII.test(token)) {
    errors.push({
      location: 'header.x-provider-token',
      message: `must be 1 to ${MAX_PROVIDER_TOKEN} visible ASCII characters`,
    });
  }
  if (provider !== null && !isByotProvider(provider)) {
    errors.push({ location: 'header.x-provider', message: `must be one of ${BYOT_PROVIDERS.join(', ')}` });
  }
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return { value: new Secret(token), provider: provider === null ? null : (provider as ByotProvider) };
}

function isByotProvider(text: string): text is ByotProvider {
  return (BYOT_PROVIDERS as readonly string[]).includes(text);
}
