import { hkdfSync } from 'node:crypto';

const KEY_BYTES = 32;

/** The key of 32 bytes for one purpose, derived from `MASTER_KEY` (RFC 5869 HKDF, SHA-256): no two purposes share one. */
export function deriveKey(masterKey: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', `core-nest/${purpose}/v1`, KEY_BYTES));
}
