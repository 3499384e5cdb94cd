import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { addressKey } from '../../platform/http/address-key.js';
import { type PasswordGuess, PasswordGuesses } from '../users/password-guesses.service.js';
import { UsersService } from '../users/users.service.js';
import { SignInAttemptsRepository } from './sign-in-attempts.repository.js';
import { SignInDigests } from './sign-in-digests.js';
import { SignInLockout } from './sign-in-lockout.service.js';

/**
 * Counts passwords that are asked for within a session as guesses of one device of their own: whoever stole a session
 * gets no more of them than any known device, and strangers who keep the account busy do not keep its owner from changing
 * the password.
 */
@Injectable()
export class GuessesElsewhere implements OnModuleInit {
  constructor(
    private readonly guesses: PasswordGuesses,
    private readonly users: UsersService,
    private readonly digests: SignInDigests,
    private readonly lockout: SignInLockout,
    private readonly attempts: SignInAttemptsRepository,
    private readonly transactions: Transactions,
  ) {}

  onModuleInit(): void {
    this.guesses.countedBy((guess) => this.#count(guess));
  }

  /** It counts as wrong at once, because nobody says so later. */
  async #count({ email, address }: PasswordGuess): Promise<() => Promise<void>> {
    const account = this.digests.account(this.users.emailKeyOf(email));
    const device = this.digests.withinSession(account);
    const { id } = await this.lockout.reserve({ account, address: addressKey(address), device });
    await this.transactions.run((transaction) => this.attempts.failed(id, transaction));
    return () => this.transactions.run((transaction) => this.attempts.succeeded(id, account, transaction));
  }
}
