import { Injectable } from '@nestjs/common';
import { RateLimitedError } from '../../kernel/app-error.js';
import { InvalidLoginError } from '../../kernel/identity-errors.js';
import type { Secret } from '../../kernel/secret.js';
import type { SignInUser } from '../users/users.service.js';
import { PasswordCheck } from './password-check.js';
import { type CompletedSignIn, type Completion, SignInCompletion } from './sign-in-completion.js';
import { SignInOutcomes } from './sign-in-outcomes.js';

/** What somebody says of who they are. */
export interface Credentials {
  readonly email: string;
  readonly password: Secret;
}

/** Who signed in, and what they got for it. */
export interface SignedIn extends CompletedSignIn {
  readonly user: Pick<SignInUser, 'id' | 'email' | 'name'>;
}

/** Signing in with e-mail address and password. */
@Injectable()
export class SignInService {
  constructor(
    private readonly check: PasswordCheck,
    private readonly completion: SignInCompletion,
    private readonly outcomes: SignInOutcomes,
  ) {}

  /**
   * Checks the password and opens a session that no request could name before. Session, tokens, counters and the line in
   * the audit log are one transaction: all of it or nothing.
   *
   * An unknown address, a wrong password, and users who are invited, not verified or suspended are refused alike, in body
   * and in time, the lockout's refusals included. Redis has no part in any of it.
   *
   * @throws RateLimitedError when too many were wrong, before anything is hashed; InvalidLoginError; SessionLimitError;
   *   ServiceUnavailableError when too many hashes wait or nothing can be recorded; AuthUnavailableError when there is no
   *   key to sign tokens with; the driver's error when PostgreSQL is away.
   */
  async signIn(credentials: Credentials, completion: Completion): Promise<SignedIn> {
    try {
      const signedIn = await this.#signIn(credentials, completion);
      this.outcomes.succeeded += 1;
      return signedIn;
    } catch (error) {
      if (error instanceof InvalidLoginError) this.outcomes.failed += 1;
      else if (error instanceof RateLimitedError) this.outcomes.refused += 1;
      else this.outcomes.errors += 1;
      throw error;
    }
  }

  async #signIn({ email, password }: Credentials, completion: Completion): Promise<SignedIn> {
    const passed = await this.check.pass(email, password, completion.facts);
    const completed = await this.check.use(passed, completion.facts, () =>
      this.completion.complete(passed, completion),
    );
    return { user: passed.user, ...completed };
  }
}
