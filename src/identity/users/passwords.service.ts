import { Injectable } from '@nestjs/common';
import { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { AdministratorsService } from '../access/administrators/administrators.service.js';
import { needsRehash, SecretHasher } from '../hashing/secret-hasher.service.js';
import { type PasswordOwner, PasswordPolicy } from './password-policy.js';
import { normalizedPassword, preHash } from './password-text.js';
import { UserLifecycle } from './user-lifecycle.service.js';
import { UserPasswordsRepository } from './user-passwords.repository.js';

export { MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS } from './password-text.js';

/** A user as far as checking a password needs to know them. */
export interface PasswordHolder {
  readonly id: string;
  readonly passwordHash: string | null;
}

/** The hash of a password that was found acceptable, for whatever stores it. */
export interface AcceptedPassword {
  readonly hash: string;
}

/** Whose password it is to be. */
export interface FuturePasswordHolder extends Pick<PasswordOwner, 'email' | 'name'> {
  readonly id: string;
}

export interface PasswordChange {
  /** The session that goes on. */
  readonly keepSessionId?: string;
  /** When the password was last changed as far as the caller knows: one that was changed since stays. */
  readonly lastChangedAt?: Date | null;
  /** The address of whoever showed that they read the user's mail. */
  readonly provedFrom?: string;
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
    private readonly administrators: AdministratorsService,
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

  /** As `verify`, for a user by id. Rejects with the driver's error when PostgreSQL is away. */
  async verifyOf(userId: string, password: Secret): Promise<boolean> {
    return this.verify({ id: userId, passwordHash: await this.repository.find(userId) }, password);
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

  /** Checks a new password for a user who is there, and hashes it. Throws as `assertAcceptable` does. */
  async accept(password: Secret, holder: FuturePasswordHolder, location?: string): Promise<AcceptedPassword> {
    const isAdministrator = await this.administrators.isAdministrator(holder.id);
    return this.acceptFrom(password, { ...holder, isAdministrator }, location);
  }

  /** Checks a new password for somebody who may not be a user yet, and hashes it. Throws as `assertAcceptable` does. */
  async acceptFrom(password: Secret, owner: PasswordOwner, location?: string): Promise<AcceptedPassword> {
    await this.assertAcceptable(password, owner, location);
    const normalized = normalizedPassword(password) ?? NOBODYS;
    return { hash: await this.hasher.hash(preHash(normalized), this.#cost) };
  }

  /**
   * Gives an active user this password, ends what was made under the one before (`UserLifecycle`), and voids every token
   * of a reset or a change of address that was under way: whoever knew the one before may have asked for it.
   *
   * @returns false when there is no such user, or the password was changed since.
   */
  async change(
    userId: string,
    { hash }: AcceptedPassword,
    transaction: Transaction,
    { lastChangedAt, ...about }: PasswordChange = {},
  ): Promise<boolean> {
    if (!(await this.repository.replace(userId, hash, transaction, lastChangedAt))) return false;
    await this.lifecycle.tell({ type: 'password_changed', userId, ...about }, transaction);
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
