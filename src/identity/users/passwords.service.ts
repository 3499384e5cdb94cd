import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { needsRehash, SecretHasher } from '../hashing/secret-hasher.service.js';
import { type PasswordOwner, PasswordPolicy } from './password-policy.js';
import { normalizedPassword, preHash } from './password-text.js';
import { UserLifecycle } from './user-lifecycle.service.js';
import { UserPasswordsRepository } from './user-passwords.repository.js';

/** A user as far as checking a password needs to know them. */
export interface PasswordHolder {
  readonly id: string;
  readonly passwordHash: string | null;
}

/** A password that was found acceptable and hashed; for the statement that stores it. */
export interface HashedPassword {
  readonly hash: string;
}

/** What is hashed where what was sent can be nobody's password: a refusal must not be told by its time. */
const NOBODYS = new Secret('');
const COST = /^\$2[aby]\$(\d\d)\$/;

/**
 * Passwords: bcrypt at `PASSWORD_BCRYPT_COST` of a keyed pre-hash of the NFKC text, in the pool of workers.
 */
@Injectable()
export class PasswordsService {
  readonly #cost: number;

  constructor(
    private readonly hasher: SecretHasher,
    private readonly policy: PasswordPolicy,
    private readonly repository: UserPasswordsRepository,
    private readonly lifecycle: UserLifecycle,
    settings: Settings,
  ) {
    this.#cost = settings.PASSWORD_BCRYPT_COST;
  }

  /**
   * Whether it is the user's password. One bcrypt at the present cost, whoever is asked about: a user who does not exist
   * (null), who has no password yet, or whose hash is of another cost is not told by the time of a refusal. After a match
   * a hash of another cost is replaced; where that fails it stays, and the next match tries again.
   *
   * @throws ServiceUnavailableError when too many hashes wait.
   */
  async verify(user: PasswordHolder | null, password: Secret): Promise<boolean> {
    const normalized = normalizedPassword(password);
    const given = preHash(normalized ?? NOBODYS);
    const hash = user?.passwordHash ?? null;
    if (user === null || hash === null || normalized === null) return this.hasher.spendAsIfMatching(given, this.#cost);
    if (!(await this.hasher.matches(given, hash))) {
      await this.#spendTheRest(given, hash);
      return false;
    }
    if (needsRehash(hash, this.#cost)) await this.#rehash(user.id, given, hash).catch(() => undefined);
    return true;
  }

  /**
   * Finds out whether a new password may be taken.
   *
   * @param location what the refusal calls the field.
   * @throws InvalidRequestError saying what is wrong with it; ServiceUnavailableError when too many wait.
   */
  assertAcceptable(password: Secret, owner: PasswordOwner, location = 'body.password'): Promise<void> {
    return this.policy.assertAcceptable(password, owner, location);
  }

  /** The hash of a password that was found acceptable. @throws ServiceUnavailableError when too many hashes wait. */
  async hash(password: Secret): Promise<HashedPassword> {
    const normalized = normalizedPassword(password);
    if (normalized === null)
      throw new InvalidRequestError([{ location: 'body.password', message: 'is not a password' }]);
    return { hash: await this.hasher.hash(preHash(normalized), this.#cost) };
  }

  /**
   * Gives the user this password, ends what was made under the one before (`UserLifecycle`), and voids every token of a
   * reset that was under way. Only an active user has a password to change.
   *
   * @param keepSessionId the session that goes on.
   * @returns whether there was such a user.
   */
  async change(
    userId: string,
    password: HashedPassword,
    transaction: Transaction,
    keepSessionId?: string,
  ): Promise<boolean> {
    if (!(await this.repository.store(userId, password.hash, transaction))) return false;
    const event = { type: 'password_changed', userId } as const;
    await this.lifecycle.tell(keepSessionId === undefined ? event : { ...event, keepSessionId }, transaction);
    return true;
  }

  /** A hash of a lower cost took less: 2^cost - 2^lower is what is left, and the sum of the powers in between. */
  async #spendTheRest(given: Secret, hash: string): Promise<void> {
    for (let cost = Number(COST.exec(hash)?.[1] ?? this.#cost); cost < this.#cost; cost += 1)
      await this.hasher.spendAsIfMatching(given, cost);
  }

  /** Only in place of the very hash that matched: a password that was changed meanwhile stays changed. */
  async #rehash(userId: string, given: Secret, hash: string): Promise<void> {
    await this.repository.replaceHash(userId, hash, await this.hasher.hash(given, this.#cost));
  }
}
