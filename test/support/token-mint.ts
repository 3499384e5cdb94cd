import { createHmac, type KeyObject, sign } from 'node:crypto';
import { AccessTokensService } from '../../src/identity/tokens/access-tokens.service.js';
import { generatePrivateKey, publicJwkOf } from '../../src/identity/tokens/signing-key.js';
import { SigningKeySeal } from '../../src/identity/tokens/signing-key-seal.js';
import type { SigningKeysRepository, StoredSigningKey } from '../../src/identity/tokens/signing-keys.repository.js';
import { SigningKeys } from '../../src/identity/tokens/signing-keys.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import type { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { buildSettings } from './build-settings.js';
import { FrozenClock } from './frozen-clock.js';

export const USER_ID = 'usr_0123456789ABCDEFGHIJ';
export const SESSION_ID = 'ses_0123456789ABCDEFGHIJ';

/** A token part as JSON, or the very text that is to be encoded. */
type Part = object | string;

/** Writes a compact JWS of whatever is put into it. */
export function compact(header: Part, payload: Part, signatureOf: (input: string) => Buffer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signatureOf(input).toString('base64url')}`;
}

/** ES256 by a private key. */
export function signedBy(privateKey: KeyObject): (input: string) => Buffer {
  return (input) => sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
}

/** HS256 under any bytes. */
export function macedBy(key: string | Buffer): (input: string) => Buffer {
  return (input) => createHmac('sha256', key).update(input).digest();
}

/** The parts of a token as JSON, whoever signed it. */
export function partsOf(token: string): { header: Record<string, unknown>; payload: Record<string, unknown> } {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? ''), payload: JSON.parse(payload ?? '') };
}

function encode(part: Part): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** A key as it lies in PostgreSQL. */
export function storedKey(
  seal: SigningKeySeal,
  privateKey: KeyObject,
  overrides: Partial<StoredSigningKey> = {},
): StoredSigningKey {
  const publicJwk = publicJwkOf(privateKey);
  const { kid } = publicJwk;
  const sealedPrivateKey = seal.seal(kid, privateKey);
  return { kid, publicJwk, sealedPrivateKey, notBefore: new Date(0), retiresAt: null, ...overrides };
}

/**
 * The real signing and reading of tokens over one key, or the `rows` it is given, on a clock that stands still; no
 * PostgreSQL. `rows` may be changed, and `keys.load()` called.
 */
export async function buildMint(settingsOverrides: Parameters<typeof buildSettings>[0] = {}) {
  const settings = buildSettings({ PUBLIC_URL: 'https://gateway.test', ...settingsOverrides });
  const clock = new FrozenClock();
  const databaseClock = new DatabaseClock(clock);
  const seal = new SigningKeySeal(settings);
  const privateKey = generatePrivateKey();
  const rows = [storedKey(seal, privateKey)];
  const repository = { findAll: async () => rows } as unknown as SigningKeysRepository;
  const keys = new SigningKeys(repository, seal, databaseClock);
  await keys.load();
  const replica = { hasLease: true };
  const tokens = new AccessTokensService(settings, keys, databaseClock, replica as ReplicaRegistry);
  const { kid } = publicJwkOf(privateKey);
  const header = { alg: 'ES256', typ: 'at+jwt', kid };
  const now = clock.now() / 1000;
  const payload = {
    iss: 'https://gateway.test',
    aud: 'core-nest',
    sub: USER_ID,
    client_id: 'core-nest',
    jti: 'AAAAAAAAAAAAAAAAAAAAAA',
    iat: now,
    exp: now + 600,
    cn_epoch: '0.0',
    sid: SESSION_ID,
    auth_time: now,
    amr: ['pwd'],
  };
  return {
    settings,
    clock,
    seal,
    rows,
    keys,
    tokens,
    replica,
    privateKey,
    kid,
    header,
    payload,
    /** A token like ours but for these claims; undefined ones are left out. */
    withClaims: (claims: Record<string, unknown>) => compact(header, { ...payload, ...claims }, signedBy(privateKey)),
    /** A token like ours but for these header parameters. */
    withHeader: (parameters: Record<string, unknown>) =>
      compact({ ...header, ...parameters }, payload, signedBy(privateKey)),
  };
}

export type Mint = Awaited<ReturnType<typeof buildMint>>;
