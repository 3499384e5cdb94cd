import { hash, randomBytes, sign } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import { issuerOf } from '../../platform/config/issuer.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import { type AccessClaims, claimsOf, type Expected } from './access-claims.js';
import { isSignedBy, readCompactJws, readJsonObject } from './compact-jws.js';
import { ALGORITHM } from './signing-key.js';
import { SigningKeys } from './signing-keys.service.js';

export type { AccessClaims } from './access-claims.js';

/** The one type of our access tokens (RFC 9068, 2.1): no other JWT, an id token say, passes for one. */
const TYPE = 'at+jwt';
const JTI_BYTES = 16;
/** Tokens this process remembers as verified; about a kilobyte each. */
const REMEMBERED = 10_000;

/** What a new token is to say; the rest follows from the settings and the time. */
export interface TokenContent {
  readonly sub: string;
  readonly clientId: string;
  readonly epoch: string;
  /** Milliseconds since the epoch; cut to whole seconds. */
  readonly expiresAt: number;
  readonly sessionId?: string;
  /** Milliseconds since the epoch. */
  readonly authTime?: number;
  readonly amr?: readonly string[];
  readonly scopes?: readonly string[];
}

/** A token just signed. */
export interface SignedToken {
  readonly token: Secret;
  readonly jti: string;
  /** Whole seconds it lives. */
  readonly expiresIn: number;
}

interface Remembered {
  readonly claims: AccessClaims;
  readonly kid: string;
}

/**
 * Signs and reads access tokens (RFC 9068, verified by RFC 8725). Whether a token was revoked is not decided here: its
 * claims carry what whoever decides it needs.
 *
 * A token is verified once and remembered by a digest of its exact bytes, never past its end or its key's; what was
 * refused is not remembered. All of it is memory: nothing changes while PostgreSQL or Redis is away.
 */
@Injectable()
export class AccessTokensService {
  /** Counted since start: tokens answered from memory, verified, and refused. */
  readonly stats = { remembered: 0, verified: 0, refused: 0 };
  readonly #expected: Expected;
  readonly #remembered = new LRUCache<string, Remembered>({ max: REMEMBERED });

  constructor(
    settings: Settings,
    private readonly keys: SigningKeys,
    private readonly clock: DatabaseClock,
    private readonly replicas: ReplicaRegistry,
  ) {
    this.#expected = { issuer: issuerOf(settings), audience: settings.JWT_AUDIENCE };
  }

  /**
   * The claims of a token; at once, without a promise. The same object for the same token while it is remembered.
   *
   * @throws InvalidTokenError for whatever is not exactly one of our tokens, now; AuthUnavailableError when its key may be
   *   one that this replica, cut off from PostgreSQL, could not hear of.
   */
  read(token: string): AccessClaims {
    const digest = hash('sha256', token, 'base64url');
    const known = this.#remembered.get(digest);
    if (known === undefined) return this.#verify(token, digest);
    if (known.claims.expiresAt > this.clock.now() && this.keys.verifier(known.kid) !== null) {
      this.stats.remembered += 1;
      return known.claims;
    }
    this.#remembered.delete(digest);
    throw this.#refusal();
  }

  /** Signs a token with a `jti` of its own. @throws AuthUnavailableError when this replica has no key yet. */
  sign(content: TokenContent): SignedToken {
    const { kid, privateKey } = this.keys.signer();
    const issuedAt = Math.floor(this.clock.now() / 1000);
    const expiresAt = Math.floor(content.expiresAt / 1000);
    const jti = randomBytes(JTI_BYTES).toString('base64url');
    const header = encode({ alg: ALGORITHM, typ: TYPE, kid });
    const payload = encode({
      iss: this.#expected.issuer,
      aud: this.#expected.audience,
      sub: content.sub,
      client_id: content.clientId,
      jti,
      iat: issuedAt,
      exp: expiresAt,
      cn_epoch: content.epoch,
      sid: content.sessionId,
      auth_time: content.authTime === undefined ? undefined : Math.floor(content.authTime / 1000),
      amr: content.amr,
      scope: content.scopes?.join(' '),
    });
    const input = `${header}.${payload}`;
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    const token = new Secret(`${input}.${signature.toString('base64url')}`);
    return { token, jti, expiresIn: expiresAt - issuedAt };
  }

  #verify(token: string, digest: string): AccessClaims {
    const jws = readCompactJws(token);
    if (jws === null || jws.header.typ !== TYPE) throw this.#refusal();
    const key = this.keys.verifier(jws.header.kid);
    if (key === null) {
      if (this.keys.isEmpty || !this.replicas.hasLease) throw new AuthUnavailableError();
      throw this.#refusal();
    }
    if (!isSignedBy(jws, key)) throw this.#refusal();
    const payload = readJsonObject(jws.payload);
    const claims = payload && claimsOf(payload, this.#expected, this.clock.now());
    if (claims === null) throw this.#refusal();
    this.stats.verified += 1;
    this.#remembered.set(digest, { claims: Object.freeze(claims), kid: key.kid });
    return claims;
  }

  #refusal(): InvalidTokenError {
    this.stats.refused += 1;
    return new InvalidTokenError();
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
