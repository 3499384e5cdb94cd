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

/** One of our clients, identified by its id and secret. With `providerToken` it is attributed BYOT. */
export interface ClientAuth {
  readonly method: 'client';
  readonly clientId: string;
  readonly tier: string;
  readonly scopes: readonly string[];
  /** Addresses and CIDR ranges it may call from; null: from anywhere. */
  readonly allowedAddresses: readonly string[] | null;
  /** Models it may name, as resolved (`openai/gpt-4o-mini`) or by prefix (`openai/*`); null: all. */
  readonly allowedModels: readonly string[] | null;
  /** Providers its models may be of; null: all. */
  readonly allowedProviders: readonly string[] | null;
  readonly providerToken: ProviderToken | null;
}

/** Nobody of ours: the caller is known only by the provider token it brings. */
export interface ByotAuth {
  readonly method: 'byot';
  readonly providerToken: ProviderToken;
}

/** Who is calling, decided once by `AuthGuard`. Everything behind it reads this and never a credential header again. */
export type AuthState = ClientAuth | ByotAuth;

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
