import { createHash, randomBytes } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { InvalidOneTimeTokenError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import type { TokenPurpose } from './one-time-token.entity.js';
import { OneTimeTokensRepository, type TokenHolder } from './one-time-tokens.repository.js';

const TOKEN_BYTES = 32;
const TOKEN_PATTERN = /^ott_[\w-]{43}$/;
const HOUR_SECONDS = 3_600;
const CLEANUP_MS = 3_600_000;
/** Mails with a token that anybody can have sent to somebody in an hour. */
const AT_MOST_AN_HOUR = 5;

/** How long a token is good for, in seconds. */
export const TOKEN_SECONDS: Readonly<Record<TokenPurpose, number>> = {
  invite: 7 * 24 * HOUR_SECONDS,
  verify_email: 24 * HOUR_SECONDS,
  reset_password: HOUR_SECONDS,
};

/**
 * Tokens that prove, once, that whoever brings one reads a user's mail: 256 random bits, kept as their SHA-256 (there is
 * nothing to guess, so nothing is gained by a slow hash), good for one purpose and one address.
 */
@Injectable()
export class OneTimeTokens implements OnApplicationBootstrap {
  /** By the hash of a token that is being used: resolves to what went wrong, if that would go wrong for all. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(
    private readonly repository: OneTimeTokensRepository,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onApplicationBootstrap(): void {
    const clean = () => this.repository.removeEnded(new Date(this.clock.now() - CLEANUP_MS));
    this.periodic.every('one-time-tokens', CLEANUP_MS, clean, { once: true });
  }

  /**
   * A new token for a user, in a transaction of its own unless one is given. Null when it would be good for nothing, or
   * when the user was sent too many within an hour: then nobody can fill a mailbox.
   *
   * @param mailId the mail it is in: written anew, that has a new token, and the one before is void.
   */
  async mint(
    purpose: TokenPurpose,
    holder: TokenHolder,
    mailId: string | null,
    transaction?: Transaction,
  ): Promise<Secret | null> {
    const token = `ott_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
    const { userId, email } = holder;
    const seconds = TOKEN_SECONDS[purpose];
    const row = { tokenHash: hashOf(token), purpose, userId, email, mailId, seconds };
    return (await this.repository.mint(row, AT_MOST_AN_HOUR, transaction)) ? new Secret(token) : null;
  }

  /**
   * Does what a token is for. Callers with the same token wait for each other in this process, so that what `work` costs
   * is paid by one of them; that it succeeds for one only is decided by `take`, in PostgreSQL.
   *
   * @param work is told whom the token was sent to, and takes it with `take` in the transaction in which it counts.
   * @throws InvalidOneTimeTokenError for a token that is unknown, used, over, or for something else.
   */
  async use<T>(
    token: Secret,
    purpose: TokenPurpose,
    work: (holder: TokenHolder, take: (transaction: Transaction) => Promise<TokenHolder>) => Promise<T>,
  ): Promise<T> {
    const text = token.reveal();
    if (!TOKEN_PATTERN.test(text)) throw new InvalidOneTimeTokenError();
    const hash = hashOf(text);
    const before = this.#underWay.get(hash) ?? Promise.resolve(null);
    const turn = before.then(async (failure) => {
      if (failure !== null) throw failure;
      const holder = await this.repository.find(hash, purpose);
      if (holder === null) throw new InvalidOneTimeTokenError();
      return work(holder, async (transaction) => {
        const taken = await this.repository.take(hash, purpose, transaction);
        if (taken === null) throw new InvalidOneTimeTokenError();
        return taken;
      });
    });
    const done = turn.then(
      () => null,
      (error: unknown) => (error instanceof AppError ? null : error),
    );
    this.#underWay.set(hash, done);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(hash) === done) this.#underWay.delete(hash);
    }
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
