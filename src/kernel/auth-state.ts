import type { Grant } from './grant.js';
import type { Secret } from './secret.js';

/** The providers a caller may bring its own token for. */
export const BYOT_PROVIDERS = ['openai', 'anthropic', 'gemini'] as const;
export type ByotProvider = (typeof BYOT_PROVIDERS)[number];

/** The caller's own provider token: used upstream in place of the house key, and for nothing else. */
export interface ProviderToken {
  readonly value: Secret;
  /** The provider named by `X-Provider`; null when the caller leaves it to the model's name. */
  readonly provider: ByotProvider | null;
}

/** The user a key belongs to. Such a key may do what its scopes and, at the same moment, its owner's grants allow. */
export interface KeyOwner {
  readonly userId: string;
  /** Frozen, and the same object for all requests that one cached credential answers. */
  readonly grants: readonly Grant[];
}

/** One of our clients. With `providerToken` it is attributed BYOT. */
export interface ClientAuth {
  readonly kind: 'client';
  /** `client`: by id and secret; `jwt`: by a short token it was given for them. */
  readonly method: 'client' | 'jwt';
  readonly clientId: string;
  readonly tier: string;
  readonly scopes: readonly string[];
  /** Null: it belongs to nobody. */
  readonly owner: KeyOwner | null;
  /** The `jti` of its token; null without one. */
  readonly tokenId: string | null;
  /** Addresses and CIDR ranges it may call from; null: from anywhere. */
  readonly allowedAddresses: readonly string[] | null;
  /** Models it may name, as resolved (`openai/gpt-4o-mini`) or by prefix (`openai/*`); null: all. */
  readonly allowedModels: readonly string[] | null;
  /** Providers its models may be of; null: all. */
  readonly allowedProviders: readonly string[] | null;
  readonly providerToken: ProviderToken | null;
}

/** A person who signed in. */
export interface UserAuth {
  readonly kind: 'user';
  /** `jwt`: by an access token; `session`: by the cookie of a session. */
  readonly method: 'jwt' | 'session';
  readonly userId: string;
  readonly tier: string;
  /** What the token was narrowed to; null: it was not. */
  readonly scopes: readonly string[] | null;
  readonly sessionId: string;
  /** The `jti` of the token; null without one. */
  readonly tokenId: string | null;
  /** Frozen, and the same object for all requests that one remembered principal answers. */
  readonly grants: readonly Grant[];
  /** When the person last proved who they are, in milliseconds since the epoch. */
  readonly authenticatedAt: number;
  /** How they did (RFC 8176): `pwd`. */
  readonly amr: readonly string[];
  readonly mfa: boolean;
  readonly providerToken: ProviderToken | null;
}

/** Nobody of ours: the caller is known only by the provider token it brings. */
export interface ByotAuth {
  readonly kind: 'byot';
  readonly method: 'byot';
  readonly providerToken: ProviderToken;
}

/** Who is calling, decided once by `AuthGuard`. Everything behind it reads this and never a credential header again. */
export type AuthState = ClientAuth | UserAuth | ByotAuth;

/** The one that limits, overrides and records are kept for: a client's id or a user's; null for a bare provider token. */
export function subjectOf(state: AuthState): string | null {
  switch (state.kind) {
    case 'client':
      return state.clientId;
    case 'user':
      return state.userId;
    case 'byot':
      return null;
  }
}

/** The user a request acts for: whoever signed in, or the owner of a key; null where there is none. */
export function selfOf(state: AuthState): string | null {
  if (state.kind === 'user') return state.userId;
  return state.kind === 'client' ? (state.owner?.userId ?? null) : null;
}

/**
 * What Redis must still say for a remembered credential to hold: the value at `key` begins with `stamp`. Whoever makes
 * the request's one Redis call checks it in the same call, and slides the entry's expiry to `ttlMs` (milliseconds).
 */
export interface CredentialFence {
  readonly key: string;
  readonly stamp: string;
  readonly ttlMs: number;
}

/**
 * The identity of one request, with the means to make it certain.
 *
 * While `fence` is not null the state comes from this process's memory and is provisional: a guard may let the request
 * on, but the last guard must have confirmed the fence before the handler runs, and no refusal may be built on the
 * state before that. With `fence` null the state is as certain as it can be made.
 */
export interface RequestIdentity {
  readonly state: AuthState;
  readonly fence: CredentialFence | null;
  /** Checks the fence in a Redis call of its own; resolves to an identity with `fence` null. Throws like `renew`. */
  confirm(): Promise<RequestIdentity>;
  /**
   * Authenticates anew from PostgreSQL, for when the fence did not hold or could not be asked. Resolves to an identity
   * with `fence` null; throws `InvalidApiKeyError` (revoked meanwhile) or `AuthUnavailableError`.
   */
  renew(): Promise<RequestIdentity>;
}
