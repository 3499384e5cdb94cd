import { Injectable } from '@nestjs/common';
import { InvalidLoginError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { addressKey } from '../../platform/http/address-key.js';
import type { SignInFacts } from '../sessions/sessions.service.js';
import { PasswordsService } from '../users/passwords.service.js';
import { type SignInUser, UsersService } from '../users/users.service.js';
import { FailedSignIns, type FailureReason } from './failed-sign-ins.js';
import { type AttemptKeys, type ReservedAttempt, SignInAttemptsRepository } from './sign-in-attempts.repository.js';
import { SignInDevices } from './sign-in-devices.js';
import { SignInDigests } from './sign-in-digests.js';
import { SignInLockout } from './sign-in-lockout.service.js';

/** An attempt whose password was right, still reserved. */
export interface PassedCheck {
  readonly user: SignInUser;
  readonly attempt: ReservedAttempt;
  readonly keys: AttemptKeys;
}

/**
 * Looks at e-mail address and password. All that can be wrong takes the same way: one look for the user, one for the
 * device, one reservation, one bcrypt, one record.
 */
@Injectable()
export class PasswordCheck {
  constructor(
    private readonly users: UsersService,
    private readonly passwords: PasswordsService,
    private readonly devices: SignInDevices,
    private readonly digests: SignInDigests,
    private readonly lockout: SignInLockout,
    private readonly attempts: SignInAttemptsRepository,
    private readonly failures: FailedSignIns,
  ) {}

  /**
   * @throws RateLimitedError before anything is hashed; InvalidLoginError for whatever is not right; ServiceUnavailableError
   *   when too many hashes wait, and then no guess was counted. The driver's error when PostgreSQL is away.
   */
  async pass(email: string, password: Secret, facts: SignInFacts): Promise<PassedCheck> {
    const account = this.digests.account(this.users.emailKeyOf(email));
    const user = await this.users.findForSignIn(email);
    const device = await this.devices.known(user?.id ?? null, account, facts);
    return this.#look(user, password, { account, address: addressKey(facts.address), device }, facts);
  }

  /**
   * Looks at the password of somebody who is signed in. It is counted apart from those of strangers and of devices (see
   * `SignInDigests.withinSession`); the rest is as in `pass`.
   *
   * @throws also NotFoundError when the user is gone.
   */
  async passAgain(userId: string, password: Secret, facts: SignInFacts): Promise<PassedCheck> {
    const { email } = await this.users.get(userId);
    const found = await this.users.findForSignIn(email);
    // The address may have become somebody else's in between.
    const user = found?.id === userId ? found : null;
    const account = this.digests.account(this.users.emailKeyOf(email));
    const keys = { account, address: addressKey(facts.address), device: this.digests.withinSession(account) };
    return this.#look(user, password, keys, facts);
  }

  /**
   * Does what a right password was asked for, which takes the attempt out with `SignInAttemptsRepository.succeeded`. When
   * that fails with InvalidLoginError the attempt counts as wrong after all; after any other error it was none.
   */
  async use<T>(passed: PassedCheck, facts: SignInFacts, work: () => Promise<T>): Promise<T> {
    const { user, attempt, keys } = passed;
    try {
      const done = await work();
      this.lockout.forget(keys);
      return done;
    } catch (error) {
      if (error instanceof InvalidLoginError)
        await this.failures.record({ attempt, keys, userId: user.id, reason: 'changed_meanwhile', facts });
      else await this.#release(attempt);
      throw error;
    }
  }

  async #look(user: SignInUser | null, password: Secret, keys: AttemptKeys, facts: SignInFacts): Promise<PassedCheck> {
    const attempt = await this.lockout.reserve(keys);
    const right = await this.passwords.verify(user, password).catch(async (error: unknown) => {
      await this.#release(attempt);
      throw error;
    });
    const judged = judge(user, right);
    if (typeof judged === 'object') return { user: judged, attempt, keys };
    await this.failures.record({ attempt, keys, userId: user?.id ?? null, reason: judged, facts });
    throw new InvalidLoginError();
  }

  /**
   * The attempt was not decided, for reasons that are not the caller's. Never rejects: where it cannot be given back it
   * counts, rather one guess too few than one too many.
   */
  async #release({ id }: ReservedAttempt): Promise<void> {
    await this.attempts.release(id).catch(() => undefined);
  }
}

/** The user who may sign in, or what is wrong, for the record alone. */
function judge(user: SignInUser | null, right: boolean): SignInUser | FailureReason {
  if (user === null) return 'unknown_user';
  if (!right) return 'wrong_password';
  if (user.status !== 'active') return user.status;
  return user.emailVerifiedAt === null ? 'not_verified' : user;
}
