import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { RateLimitedError } from '../../kernel/app-error.js';
import { Settings } from '../../platform/config/settings.js';
import { AttemptLine } from './attempt-line.js';
import { type GuessShares, guessShares } from './guess-shares.js';
import {
  type AttemptKeys,
  type RefusedAttempt,
  type ReservedAttempt,
  SignInAttemptsRepository,
} from './sign-in-attempts.repository.js';

/** How long a caller waits for attempts on the same account to be decided, and how many of them may. */
const MAX_WAIT_MS = 10_000;
const MAX_WAITING = 200;
const ASK_AGAIN_MS = 25;
/** How long a refusal is believed without asking again: a success elsewhere ends it at most so much later. */
const BELIEVE_MS = 1_000;
const MAX_REMEMBERED = 50_000;

/** Refusals since start, by what refused. */
export interface LockoutStats {
  account: number;
  address: number;
  device: number;
}

interface Remembered {
  readonly refusal: RefusedAttempt;
  /** On the monotonic clock. */
  readonly until: number;
  readonly believedUntil: number;
}

/**
 * What stands between a password and the price of looking at it. An attempt is reserved before anything is hashed, in one
 * atomic step in PostgreSQL, and stays counted unless it was right; so however many come at once, on however many
 * replicas, no more are looked at than may fail. Redis has no part in it.
 */
@Injectable()
export class SignInLockout {
  readonly stats: LockoutStats = { account: 0, address: 0, device: 0 };
  readonly shares: GuessShares;
  readonly #line = new AttemptLine(MAX_WAITING);
  readonly #refused = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });

  constructor(
    private readonly attempts: SignInAttemptsRepository,
    settings: Settings,
  ) {
    this.shares = guessShares(settings.SIGN_IN_GUESSES_PER_DAY);
  }

  /**
   * Reserves an attempt. Waits up to ten seconds while as many as may be at once on this account are under way and none
   * of them has failed yet.
   *
   * @throws RateLimitedError saying when to try again; then nothing was reserved and nothing is to be hashed. The
   *   driver's error when PostgreSQL is away.
   */
  async reserve(keys: AttemptKeys): Promise<ReservedAttempt> {
    this.#assertNotRefused(keys);
    const deadline = performance.now() + MAX_WAIT_MS;
    const line = `${keys.account} ${keys.device ?? ''}`;
    if (!(await this.#line.enter(line, MAX_WAIT_MS))) {
      throw this.#refusal({ verdict: 'busy', counter: keys.device === null ? 'account' : 'device', waitMs: 1_000 });
    }
    try {
      const attempt = await this.#reserveInTurn(keys, deadline);
      this.#line.leave(line);
      return attempt;
    } catch (error) {
      if (error instanceof RateLimitedError) this.#line.leave(line);
      else this.#line.dissolve(line, error);
      throw error;
    }
  }

  /** A sign-in to the account was right, and that is committed: what was refused before is asked for anew. */
  forget({ account }: Pick<AttemptKeys, 'account'>): void {
    this.#refused.delete(nameOf({ account, address: '', device: null }, 'account'));
  }

  async #reserveInTurn(keys: AttemptKeys, deadline: number): Promise<ReservedAttempt> {
    for (;;) {
      this.#assertNotRefused(keys);
      const outcome = await this.attempts.reserve(keys, this.shares);
      if (outcome.verdict === 'reserved') return outcome;
      if (outcome.verdict !== 'busy') this.#remember(keys, outcome);
      if (outcome.verdict !== 'busy' || performance.now() + ASK_AGAIN_MS > deadline) throw this.#refusal(outcome);
      await pause(ASK_AGAIN_MS);
    }
  }

  /** A refusal of a moment ago is given again without asking anybody. */
  #assertNotRefused(keys: AttemptKeys): void {
    const now = performance.now();
    for (const key of namesOf(keys)) {
      const known = this.#refused.get(key);
      if (known === undefined || known.believedUntil <= now) continue;
      throw this.#refusal({ ...known.refusal, waitMs: known.until - now });
    }
  }

  #remember(keys: AttemptKeys, refusal: RefusedAttempt): void {
    const now = performance.now();
    const until = now + refusal.waitMs;
    const remembered = { refusal, until, believedUntil: Math.min(until, now + BELIEVE_MS) };
    this.#refused.set(nameOf(keys, refusal.counter), remembered);
  }

  #refusal({ counter, waitMs }: RefusedAttempt): RateLimitedError {
    this.stats[counter] += 1;
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
    return new RateLimitedError(
      `Too many wrong passwords were tried. Try again in ${seconds} second${seconds === 1 ? '' : 's'}, sign in on a device you have used before, or ask for a new password.`,
      seconds,
    );
  }
}

function nameOf(keys: AttemptKeys, counter: RefusedAttempt['counter']): string {
  if (counter === 'address') return `address ${keys.address}`;
  return counter === 'device' ? `device ${keys.account} ${keys.device}` : `account ${keys.account}`;
}

/** The counters that can refuse an attempt. */
function namesOf(keys: AttemptKeys): string[] {
  if (keys.device !== null) return [nameOf(keys, 'device')];
  return [nameOf(keys, 'account'), nameOf(keys, 'address')];
}
