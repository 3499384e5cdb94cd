import type { Grant } from '../../kernel/grant.js';

/** A session that has not ended, as far as deciding on a request needs. */
export interface PrincipalSession {
  readonly id: string;
  readonly kind: 'token' | 'cookie';
  /** Of the cookie's secret; null for a session of tokens. */
  readonly secretHash: string | null;
  readonly method: string;
  readonly amr: readonly string[];
  readonly mfa: boolean;
  /** Milliseconds since the epoch, as are the others. */
  readonly authenticatedAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
  readonly idleSeconds: number;
}

/** What PostgreSQL says of a user, as far as deciding on a request needs: one record, of one moment, under one version. */
export interface PrincipalRecord {
  readonly userId: string;
  /** Rises with whatever ends or narrows something of the user. */
  readonly version: string;
  readonly status: 'invited' | 'active' | 'suspended';
  readonly tier: string;
  /** `<epoch of everything>.<epoch of the user>`: tokens that carry another one are void. */
  readonly epoch: string;
  /** Frozen, and the same object as long as the record is remembered. */
  readonly grants: readonly Grant[];
  /** Those that had neither ended nor expired when it was read. */
  readonly sessions: readonly PrincipalSession[];
  /** `jti` of tokens that were revoked before their end. */
  readonly revokedTokens: readonly string[];
}

/** A record, and when PostgreSQL last confirmed it. */
export interface Principal extends PrincipalRecord {
  readonly checkedAt: number;
}
