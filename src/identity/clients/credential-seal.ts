import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import { deriveKey } from '../../platform/crypto/derived-key.js';
import type { CachedCredential, CachedOwner, CachedTokens } from './cached-credential.js';
import { HmacSha256 } from './hmac-sha256.js';

const SEPARATOR = '|';
const FORMAT = 'c3';

/** A cache entry as text. `stamp` is how it begins, and is unique to this writing of it. */
export interface SealedCredential {
  readonly stamp: string;
  readonly text: string;
}

/**
 * The keyed side of the credential cache (RFC 2104 HMAC-SHA-256, keys by RFC 5869 HKDF from `MASTER_KEY`): digests that
 * stand for a secret bcrypt has accepted, and a seal on every entry, so that whoever can write to Redis still cannot
 * make an identity.
 */
@Injectable()
export class CredentialSeal {
  readonly #digests: HmacSha256;
  readonly #seals: HmacSha256;

  constructor(settings: Settings) {
    this.#digests = new HmacSha256(deriveKey(settings.MASTER_KEY, 'credential-digest'));
    this.#seals = new HmacSha256(deriveKey(settings.MASTER_KEY, 'credential-seal'));
  }

  /** The digest of one client's secret. The same secret of another client has another one. */
  digest(clientId: string, secret: Secret): string {
    return this.#digests.of(`${clientId}${SEPARATOR}${secret.reveal()}`);
  }

  /** Writes an entry under a stamp of its own. */
  seal(credential: CachedCredential): SealedCredential {
    const stamp = `${FORMAT}${SEPARATOR}${credential.version}${SEPARATOR}${randomBytes(9).toString('base64url')}${SEPARATOR}`;
    const body = JSON.stringify(toWire(credential));
    return { stamp, text: `${stamp}${this.#mac(stamp, body)}${SEPARATOR}${body}` };
  }

  /** Reads an entry of `clientId`; null for anything that this key did not seal for that client. */
  open(text: string, clientId: string): { readonly credential: CachedCredential; readonly stamp: string } | null {
    const [format, version, nonce, mac] = text.split(SEPARATOR, 4);
    if (format !== FORMAT || version === undefined || nonce === undefined || mac === undefined) return null;
    const stamp = `${format}${SEPARATOR}${version}${SEPARATOR}${nonce}${SEPARATOR}`;
    const body = text.slice(stamp.length + mac.length + SEPARATOR.length);
    if (!equalText(mac, this.#mac(stamp, body))) return null;
    const credential = fromWire(JSON.parse(body) as WireCredential);
    return credential.clientId === clientId ? { credential, stamp } : null;
  }

  #mac(stamp: string, body: string): string {
    return this.#seals.of(`${stamp}${body}`);
  }
}

/** Compares two short texts in a time that tells nothing but their lengths. */
export function equalText(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}

interface WireCredential {
  client_id: string;
  version: string;
  status: string;
  tier: string;
  scopes: string[];
  expires_at: number | null;
  owner: CachedOwner | null;
  tokens: CachedTokens;
  allowed_addresses: readonly string[] | null;
  allowed_models: readonly string[] | null;
  allowed_providers: readonly string[] | null;
  used_from: readonly string[];
  checked_at: number;
  secrets: { id: string; hashed_secret: string; hint: string; expires_at: number | null; digest: string | null }[];
}

function toWire(credential: CachedCredential): WireCredential {
  return {
    client_id: credential.clientId,
    version: credential.version,
    status: credential.status,
    tier: credential.tier,
    scopes: [...credential.scopes],
    expires_at: credential.expiresAt,
    owner: credential.owner,
    tokens: credential.tokens,
    allowed_addresses: credential.allowedAddresses,
    allowed_models: credential.allowedModels,
    allowed_providers: credential.allowedProviders,
    used_from: credential.usedFrom,
    checked_at: credential.checkedAt,
    secrets: credential.secrets.map((secret) => ({
      id: secret.id,
      hashed_secret: secret.hashedSecret,
      hint: secret.hint,
      expires_at: secret.expiresAt,
      digest: secret.digest,
    })),
  };
}

function fromWire(wire: WireCredential): CachedCredential {
  return {
    clientId: wire.client_id,
    version: wire.version,
    status: wire.status,
    tier: wire.tier,
    scopes: wire.scopes,
    expiresAt: wire.expires_at,
    owner: wire.owner,
    tokens: wire.tokens,
    allowedAddresses: wire.allowed_addresses,
    allowedModels: wire.allowed_models,
    allowedProviders: wire.allowed_providers,
    usedFrom: wire.used_from,
    checkedAt: wire.checked_at,
    secrets: wire.secrets.map((secret) => ({
      id: secret.id,
      hashedSecret: secret.hashed_secret,
      hint: secret.hint,
      expiresAt: secret.expires_at,
      digest: secret.digest,
    })),
  };
}
