import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import { Secret } from '../../kernel/secret.js';
import type { SecretHasher } from '../hashing/secret-hasher.service.js';
import { hintOf } from './api-key.js';
import { type PresentedSecret, SecretMatcher } from './secret-matcher.js';

const NOW = 1_000;
const storedSecret = (id: string, overrides: { expiresAt?: number; digest?: string } = {}) => ({
  id,
  hashedSecret: `hash of ${id}`,
  hint: hintOf('c', new Secret(id)),
  expiresAt: overrides.expiresAt ?? null,
  digest: overrides.digest ?? null,
});
const presentedSecret = (text: string): PresentedSecret => ({
  clientId: 'c',
  text: new Secret(text),
  digest: `digest of ${text}`,
  attempt: FREE_ATTEMPT,
});

/** Stands for bcrypt: `hash of x` matches `x`, after a turn of the event loop. */
function countingHasher() {
  const spent: string[] = [];
  const hasher = {
    matches: async (secret: Secret, hash: string) => {
      spent.push(hash);
      await new Promise(setImmediate);
      return hash === `hash of ${secret.reveal()}`;
    },
    spendAsIfMatching: async () => {
      spent.push('dummy');
      return false;
    },
  } as unknown as SecretHasher;
  return { spent, matcher: new SecretMatcher(hasher) };
}

describe('SecretMatcher', () => {
  it('hashes a secret once, then knows it', async () => {
    const { spent, matcher } = countingHasher();
    const secrets = [storedSecret('a')];
    await expect(matcher.match(secrets, presentedSecret('a'), NOW)).resolves.toEqual({
      secret: secrets[0],
      hashed: true,
    });
    await expect(matcher.match(secrets, presentedSecret('a'), NOW)).resolves.toEqual({
      secret: secrets[0],
      hashed: false,
    });
    expect(spent).toEqual(['hash of a']);
  });

  it('hashes once for 500 callers at once', async () => {
    const { spent, matcher } = countingHasher();
    const matches = await Promise.all(
      Array.from({ length: 500 }, () => matcher.match([storedSecret('a')], presentedSecret('a'), NOW)),
    );
    expect(matches.every(({ secret }) => secret?.id === 'a')).toBe(true);
    expect(spent).toHaveLength(1);
    expect(matcher.comparisons).toBe(1);
  });

  it('hashes once, also for a caller that comes between the end of the hash and its being told', async () => {
    let spent = 0;
    const matcher = new SecretMatcher({
      matches: async () => {
        spent += 1;
        return true;
      },
    } as unknown as SecretHasher);
    const matches: Promise<unknown>[] = [];
    for (let caller = 0; caller < 20; caller++) {
      matches.push(matcher.match([storedSecret('a')], presentedSecret('a'), NOW));
      await Promise.resolve();
    }
    await Promise.all(matches);
    expect(spent).toBe(1);
  });

  it('hashes a wrong secret each time: nothing is learnt from it', async () => {
    const { spent, matcher } = countingHasher();
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(matcher.match([storedSecret('a')], presentedSecret('b'), NOW)).resolves.toEqual({
        secret: null,
        hashed: true,
      });
    }
    expect(spent).toEqual(['hash of a', 'hash of a', 'hash of a']);
  });

  it('spends one hash on a secret that has the hint of another, like on any', async () => {
    const { spent, matcher } = countingHasher();
    const lookalike = { ...storedSecret('a'), hint: hintOf('c', new Secret('b')) };
    await expect(matcher.match([storedSecret('c'), lookalike], presentedSecret('b'), NOW)).resolves.toEqual({
      secret: null,
      hashed: true,
    });
    expect(spent).toEqual(['hash of a']);
  });

  it.each(['a', 'e', 'wrong'])(
    'spends one hash while there are five secrets, whatever is presented: %s',
    async (text) => {
      const { spent, matcher } = countingHasher();
      const secrets = ['a', 'b', 'c', 'd', 'e'].map((id) => storedSecret(id));
      const { secret } = await matcher.match(secrets, presentedSecret(text), NOW);
      expect(secret?.id ?? 'wrong').toBe(text);
      expect(spent).toHaveLength(1);
    },
  );

  it('does not take what it knows for another hash', async () => {
    const { spent, matcher } = countingHasher();
    await matcher.match([storedSecret('a')], presentedSecret('a'), NOW);
    const replaced = { ...storedSecret('a'), hashedSecret: 'hash of z' };
    await expect(matcher.match([replaced], presentedSecret('a'), NOW)).resolves.toEqual({ secret: null, hashed: true });
    expect(spent).toEqual(['hash of a', 'hash of z']);
  });

  it('trusts the digest of an entry, and a digest of another secret not', () => {
    const { matcher } = countingHasher();
    const secrets = [storedSecret('a', { digest: 'digest of a' })];
    expect(matcher.known(secrets, 'digest of a', NOW)).toBe(secrets[0]);
    expect(matcher.known(secrets, 'digest of b', NOW)).toBeNull();
    expect(matcher.known(secrets, '', NOW)).toBeNull();
  });

  it.each([
    [NOW + 1, true],
    [NOW, false],
    [NOW - 1, false],
  ])('at %d of a secret that ends at 1000: known is %s', async (expiresAt, known) => {
    const { spent, matcher } = countingHasher();
    const secrets = [storedSecret('a', { expiresAt, digest: 'digest of a' })];
    expect(matcher.known(secrets, 'digest of a', NOW) !== null).toBe(known);
    expect((await matcher.match(secrets, presentedSecret('a'), NOW)).secret !== null).toBe(known);
    expect(spent).toEqual([]);
  });

  it('finds the second of two secrets without hashing for the first', async () => {
    const { spent, matcher } = countingHasher();
    const { secret } = await matcher.match([storedSecret('a'), storedSecret('b')], presentedSecret('b'), NOW);
    expect(secret?.id).toBe('b');
    expect(spent).toEqual(['hash of b']);
  });

  it('says that nothing was hashed when there is nothing to hash, and can spend the same', async () => {
    const { spent, matcher } = countingHasher();
    await expect(matcher.match([], presentedSecret('a'), NOW)).resolves.toEqual({ secret: null, hashed: false });
    await matcher.spend(presentedSecret('a'));
    expect(spent).toEqual(['dummy']);
  });

  it('spends once for callers that present the same at once, as it compares once, and again for the next', async () => {
    const { spent, matcher } = countingHasher();
    const [known, unknown] = [presentedSecret('a'), presentedSecret('b')];
    await Promise.all([known, known, unknown, known, unknown].map((each) => matcher.spend(each)));
    expect(spent).toEqual(['dummy', 'dummy']);
    await matcher.spend(known);
    expect(spent).toHaveLength(3);
  });

  it('passes a full queue on and forgets the attempt', async () => {
    let calls = 0;
    const matcher = new SecretMatcher({
      matches: async () => {
        calls += 1;
        if (calls === 1) throw new Error('full');
        return true;
      },
    } as unknown as SecretHasher);
    await expect(matcher.match([storedSecret('a')], presentedSecret('a'), NOW)).rejects.toThrow('full');
    await expect(matcher.match([storedSecret('a')], presentedSecret('a'), NOW)).resolves.toMatchObject({
      hashed: true,
    });
  });
});
