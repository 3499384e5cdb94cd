import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import type { Secret } from '../../kernel/secret.js';
import { SecretHasher } from '../hashing/secret-hasher.service.js';
import { hintOf } from './api-key.js';
import { type CachedSecret, hasExpired } from './cached-credential.js';
import { equalText } from './credential-seal.js';

const MAX_KNOWN = 100_000;

type KnownSecret = Omit<CachedSecret, 'digest'> & { readonly digest?: string | null };

/** A secret as presented: the text, and its digest under this installation's key. */
export interface PresentedSecret {
  readonly clientId: string;
  readonly text: Secret;
  readonly digest: string;
  /** Pays for every hash that is spent on it. */
  readonly attempt: AuthAttempt;
}

export interface Match<T> {
  /** The secret that was presented, or null. */
  readonly secret: T | null;
  /** Whether bcrypt was spent; a refusal that spent none still has to. */
  readonly hashed: boolean;
}

/**
 * Finds which of a client's secrets was presented, with at most one bcrypt per secret and hash in this process: what
 * bcrypt accepted once is known by its digest afterwards, and callers that present the same secret at once share one.
 */
@Injectable()
export class SecretMatcher {
  /** Digest to the very hash it was accepted for. */
  readonly #accepted = new LRUCache<string, string>({ max: MAX_KNOWN });
  readonly #underWay = new Map<string, Promise<boolean>>();
  /** bcrypt comparisons made since start. */
  comparisons = 0;

  constructor(private readonly hasher: SecretHasher) {}

  /** The unexpired secret whose digest is known, without hashing; null when none is. */
  known<T extends KnownSecret>(secrets: readonly T[], digest: string, now: number): T | null {
    for (const secret of secrets) {
      if (hasExpired(secret, now)) continue;
      if (
        typeof secret.digest === 'string'
          ? equalText(secret.digest, digest)
          : this.#accepted.get(digest) === secret.hashedSecret
      ) {
        return secret;
      }
    }
    return null;
  }

  /**
   * As `known`, and where nothing is known, by bcrypt, once the attempt could be reserved. Of several secrets the hint
   * picks the one to compare with, so that a client that is rotating its secrets costs one bcrypt like any other.
   *
   * @param usedFrom addresses the client's secrets were last right from.
   * @throws ServiceUnavailableError when too many hashes wait; RateLimitedError when too many attempts failed.
   */
  async match<T extends KnownSecret>(
    secrets: readonly T[],
    presented: PresentedSecret,
    now: number,
    usedFrom: readonly string[] = [],
  ): Promise<Match<T>> {
    const known = this.known(secrets, presented.digest, now);
    if (known !== null) return { secret: known, hashed: false };
    const alive = secrets.filter((secret) => !hasExpired(secret, now));
    if (alive.length === 0) return { secret: null, hashed: false };
    await presented.attempt.reserve(presented.clientId, usedFrom);
    // Whoever waited for its turn may find that another caller's hash has answered for it.
    const meanwhile = this.known(secrets, presented.digest, now);
    if (meanwhile !== null) {
      presented.attempt.succeeded();
      return { secret: meanwhile, hashed: false };
    }
    const candidates = alive.length === 1 ? alive : withHintOf(presented, alive);
    for (const secret of candidates) {
      if (await this.#compare(secret.hashedSecret, presented)) {
        presented.attempt.succeeded();
        return { secret, hashed: true };
      }
    }
    if (candidates.length === 0) await this.#spend(presented);
    return { secret: null, hashed: true };
  }

  /**
   * Spends what one comparison costs, for refusals that needed none. Callers at once share it as they share a
   * comparison: else one secret sent many times would take longer where there is nothing to compare it with.
   */
  async spend(presented: PresentedSecret, usedFrom: readonly string[] = []): Promise<void> {
    await presented.attempt.reserve(presented.clientId, usedFrom);
    await this.#spend(presented);
  }

  #spend(presented: PresentedSecret): Promise<boolean> {
    return this.#shared(presented.digest, () => this.hasher.spendAsIfMatching(presented.text));
  }

  #compare(hashedSecret: string, presented: PresentedSecret): Promise<boolean> {
    return this.#shared(`${presented.digest}${hashedSecret}`, async () => {
      this.comparisons += 1;
      const matches = await this.hasher.matches(presented.text, hashedSecret);
      // Known before it is no longer under way: a caller in between would hash again.
      if (matches) this.#accepted.set(presented.digest, hashedSecret);
      return matches;
    });
  }

  #shared(key: string, work: () => Promise<boolean>): Promise<boolean> {
    let underWay = this.#underWay.get(key);
    if (underWay === undefined) {
      underWay = work().finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, underWay);
    }
    return underWay;
  }
}

function withHintOf<T extends KnownSecret>({ clientId, text }: PresentedSecret, secrets: readonly T[]): readonly T[] {
  const hint = hintOf(clientId, text);
  return secrets.filter((secret) => secret.hint === hint);
}
