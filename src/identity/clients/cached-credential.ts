import type { Grant } from '../../kernel/grant.js';

/** One secret of a client, as the cache holds it. */
export interface CachedSecret {
  readonly id: string;
  readonly hashedSecret: string;
  /** Tells which of several secrets one could be. */
  readonly hint: string;
  /** Milliseconds since the epoch; null: never. */
  readonly expiresAt: number | null;
  /** Keyed digest of the secret bcrypt has accepted for this hash; null while none was presented. */
  readonly digest: string | null;
}

/** The user a client belongs to, as far as letting the client in needs. */
export interface CachedOwner {
  readonly userId: string;
  /** The client is let in while this is `active`. */
  readonly status: string;
  readonly grants: readonly Grant[];
}

/** What decides on the short tokens of a client. */
export interface CachedTokens {
  /** `<epoch of everything>.<epoch of the client>`: tokens that carry another one are void. */
  readonly epoch: string;
  /** `jti` of tokens that were revoked before their end. */
  readonly revoked: readonly string[];
}

/** What PostgreSQL says of a client, as far as authenticating it needs. */
export interface CredentialRecord {
  readonly clientId: string;
  /** Unique over all clients and all their changes: a re-created id never has an old one. */
  readonly version: string;
  readonly status: string;
  readonly tier: string;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  /** Null: it belongs to nobody. */
  readonly owner: CachedOwner | null;
  readonly tokens: CachedTokens;
  /** See `ClientAuth`; null: no restriction. */
  readonly allowedAddresses: readonly string[] | null;
  readonly allowedModels: readonly string[] | null;
  readonly allowedProviders: readonly string[] | null;
  /** Addresses its secrets were last right from. */
  readonly usedFrom: readonly string[];
  readonly secrets: readonly Omit<CachedSecret, 'digest'>[];
}

/** A record with the digests of its verified secrets, and when PostgreSQL last confirmed it. */
export interface CachedCredential extends Omit<CredentialRecord, 'secrets'> {
  readonly secrets: readonly CachedSecret[];
  readonly checkedAt: number;
}

/** Whether the client may be let in at `now`; expiry is honoured to the millisecond whatever a cache says. */
export function isActive(credential: Pick<CredentialRecord, 'status' | 'expiresAt' | 'owner'>, now: number): boolean {
  if (credential.owner !== null && credential.owner.status !== 'active') return false;
  return credential.status === 'active' && !hasExpired(credential, now);
}

/** Whether something with an end has reached it. */
export function hasExpired(limited: { readonly expiresAt: number | null }, now: number): boolean {
  return limited.expiresAt !== null && limited.expiresAt <= now;
}

/** Keeps the digests of secrets that are still what they were: same id, same hash. */
export function carryDigests(
  fresh: CredentialRecord & Pick<CachedCredential, 'checkedAt'>,
  former: CachedCredential | undefined,
): CachedCredential {
  return {
    ...fresh,
    secrets: fresh.secrets.map((secret) => ({
      ...secret,
      digest:
        former?.secrets.find((other) => other.id === secret.id && other.hashedSecret === secret.hashedSecret)?.digest ??
        null,
    })),
  };
}
