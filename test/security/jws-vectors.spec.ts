import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CompactJws, isSignedBy, readCompactJws } from '../../src/identity/tokens/compact-jws.js';
import type { VerificationKey } from '../../src/identity/tokens/signing-key.js';

interface JwsVectors {
  readonly groups: readonly {
    readonly comment: string;
    readonly publicKey: PublishedKey | null;
    readonly tests: readonly { id: number; comment: string; result: string; jws: string }[];
  }[];
}

interface EcdsaVectors {
  readonly groups: readonly {
    readonly publicKey: string;
    readonly tests: readonly { id: number; comment: string; result: string; message: string; signature: string }[];
  }[];
}

type PublishedKey = JsonWebKey & { readonly alg?: string; readonly use?: string; readonly kid?: string };

const jws = read<JwsVectors>('json-web-signature');
const ecdsa = read<EcdsaVectors>('ecdsa-p256-sha256-p1363');

function read<Vectors>(name: string): Vectors {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'vectors', `${name}.json`), 'utf8')) as Vectors;
}

/** A key of ours is one for signatures by ES256, and says so. */
function keyOf(jwk: PublishedKey | null): VerificationKey | null {
  if (jwk === null || jwk.alg !== 'ES256' || jwk.use !== 'sig' || jwk.kid === undefined) return null;
  return { kid: jwk.kid, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
}

function accepts(token: string, key: VerificationKey | null): boolean {
  const read: CompactJws | null = readCompactJws(token);
  return read !== null && key !== null && read.header.kid === key.kid && isSignedBy(read, key);
}

describe('the JWS vectors of Wycheproof', () => {
  const cases = jws.groups.flatMap(({ comment, publicKey, tests }) =>
    tests.map((test) => ({ ...test, group: comment, publicKey })),
  );

  it('are those that were published', () => {
    expect(cases.length).toBe(143);
    expect(cases.filter(({ publicKey }) => keyOf(publicKey) !== null).length).toBe(39);
  });

  it.each(cases)('$id $group: $comment', ({ jws: token, result, publicKey }) => {
    const key = keyOf(publicKey);
    // What is right under another algorithm is none of ours.
    expect(accepts(token, key)).toBe(result === 'valid' && key !== null);
  });
});

describe('the ECDSA vectors of Wycheproof for P-256, SHA-256 and r | s', () => {
  const cases = ecdsa.groups.flatMap(({ publicKey, tests }) => tests.map((test) => ({ ...test, publicKey })));

  it('are those that were published', () => {
    expect(cases.length).toBe(262);
    expect(cases.filter(({ result }) => result === 'valid').length).toBe(173);
  });

  it.each(cases)('$id: $comment', ({ publicKey, message, signature, result }) => {
    const key = { kid: 'k', publicKey: createPublicKey(publicKey) };
    const made = Buffer.from(signature, 'hex');
    const taken: CompactJws = {
      header: { kid: 'k' },
      payload: Buffer.alloc(0),
      signature: made,
      input: Buffer.from(message, 'hex').toString('latin1'),
    };
    // A signature of another length is refused where a token is taken apart.
    expect(made.length === 64 && isSignedBy(taken, key)).toBe(result === 'valid');
  });
});
