import { verify } from 'node:crypto';
import { parseJsonDocument } from '../../platform/http/json-document.js';
import { ALGORITHM, type VerificationKey } from './signing-key.js';

/** Bytes of a token: ours have about 700. */
const MAX_LENGTH = 4_096;
/** r and s, 32 bytes each (RFC 7518, 3.4). */
const SIGNATURE_BYTES = 64;
const OPENING_BRACE = 0x7b;
/** All that our headers hold. A key, a link to one, a chain or an extension in a header is a trick (RFC 8725, 3.10). */
const HEADER_NAMES = ['alg', 'kid', 'typ'];

/** The header of a token that may be one of ours; nothing in it is to be trusted but to choose our own key. */
export interface JwsHeader {
  readonly kid: string;
  /** Absent in a token without one. */
  readonly typ?: string;
}

/** A JWS (RFC 7515) taken apart; its signature has not been looked at. */
export interface CompactJws {
  readonly header: JwsHeader;
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** What was signed: the first two parts as they came. */
  readonly input: string;
}

/**
 * Takes a compact JWS apart; null for what cannot be one of ours: larger than 4 kB, other than three parts, base64url
 * that is not canonical (padding, blanks, spare bits, other alphabets), a header with a name twice or beyond `alg`, `kid`
 * and `typ`, or any algorithm but ES256.
 */
export function readCompactJws(token: string): CompactJws | null {
  if (token.length > MAX_LENGTH) return null;
  const parts = token.split('.', 4);
  if (parts.length !== 3) return null;
  const [header, payload, signature] = parts.map(decodeCanonical);
  if (!header || !payload || signature?.length !== SIGNATURE_BYTES) return null;
  const read = readHeader(header);
  return read && { header: read, payload, signature, input: token.slice(0, token.lastIndexOf('.')) };
}

/** Whether the key made the signature, by the key's one algorithm, whatever the header says. */
export function isSignedBy({ input, signature }: CompactJws, { publicKey }: VerificationKey): boolean {
  return verify('sha256', Buffer.from(input, 'latin1'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function readHeader(bytes: Buffer): JwsHeader | null {
  const header = readJsonObject(bytes);
  if (header === null || Object.keys(header).some((name) => !HEADER_NAMES.includes(name))) return null;
  const { alg, kid, typ } = header;
  if (alg !== ALGORITHM || typeof kid !== 'string') return null;
  if (typ === undefined) return { kid };
  return typeof typ === 'string' ? { kid, typ } : null;
}

/** A JSON object, strictly read (see `parseJsonDocument`); null for anything else. */
export function readJsonObject(bytes: Buffer): Readonly<Record<string, unknown>> | null {
  // No byte-order mark or blank comes before it: what is one text for us must not be two.
  if (bytes[0] !== OPENING_BRACE) return null;
  try {
    return parseJsonDocument(bytes) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/** Bytes have exactly one spelling here: what would be encoded otherwise is not decoded. */
function decodeCanonical(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.length > 0 && bytes.toString('base64url') === part ? bytes : null;
}
