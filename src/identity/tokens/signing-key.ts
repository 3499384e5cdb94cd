import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** The one algorithm of our tokens (RFC 7518, 3.4), and so the one of every key: none is ever used with another. */
export const ALGORITHM = 'ES256';
const CURVE = 'P-256';

/**
 * Milliseconds for which a key verifies after its successor began to sign: the longest life a token can be set to, and a
 * minute.
 */
export const OUTLIVES_MS = 3_600_000 + 60_000;

/** The public part of a key, as JWKS shows it (RFC 7517). */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'ES256';
}

/** What a signature is checked with. */
export interface VerificationKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
}

/** A key with both its parts, in memory. */
export interface SigningKey extends VerificationKey {
  readonly privateKey: KeyObject;
  readonly publicJwk: PublicJwk;
  /** Milliseconds since the epoch from which it signs. */
  readonly notBefore: number;
  /** Milliseconds since the epoch from which it verifies no more; `Infinity` while no successor is known. */
  readonly endsAt: number;
}

/** Makes a key pair; it is nobody's yet. */
export function generatePrivateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey;
}

/** The public part of a private key. Its id is its thumbprint (RFC 7638), so that no two keys share one. */
export function publicJwkOf(privateKey: KeyObject): PublicJwk {
  const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined || y === undefined) throw new Error('The key is not one on the curve P-256.');
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: CURVE, kty: 'EC', x, y }))
    .digest('base64url');
  return { kty: 'EC', crv: CURVE, x, y, kid, use: 'sig', alg: ALGORITHM };
}
