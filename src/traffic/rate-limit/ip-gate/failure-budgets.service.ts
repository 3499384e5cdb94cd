import { Injectable } from '@nestjs/common';
import { RateLimitedError } from '../../../kernel/app-error.js';
import { readAttemptBudget } from '../../../platform/config/attempt-budget.js';
import { Settings } from '../../../platform/config/settings.js';
import { addressKey } from '../../../platform/http/address-key.js';
import { RedisService } from '../../../platform/redis/redis.service.js';
import { ReplicaRegistry } from '../../../platform/replicas/replica-registry.service.js';
import { BudgetSpentError, FailureBudget, type Reservation } from './failure-budget.js';
import { DECIDE_ATTEMPT, TAKE_ATTEMPT } from './failure-budget.script.js';
import { type Guess, OffenceTally } from './offence-tally.service.js';

const FREE: Reservation = { giveBack: () => undefined, keepSpent: () => undefined };

/**
 * How many wrong credentials one address, and one client id, may try: what stands between a flood of guesses and the
 * threads that hash. It bounds hashing and nothing else: a key that is known, here or in Redis, is never held up by
 * it, so neither a neighbour behind the same address nor a stranger who knows a client id locks its owner out.
 *
 * The same for a client id that exists and one that does not. What happens without Redis: see `FailureBudget`.
 */
@Injectable()
export class FailureBudgets {
  /** Counted since start. */
  readonly stats = { failed: 0, refused: { address: 0, client: 0 } };
  readonly #address: FailureBudget | null;
  readonly #client: FailureBudget | null;

  constructor(
    settings: Settings,
    redis: RedisService,
    registry: ReplicaRegistry,
    private readonly tally: OffenceTally,
  ) {
    for (const script of [TAKE_ATTEMPT, DECIDE_ATTEMPT]) redis.defineScript(script);
    const budgetOf = (name: string, text: string) => {
      const budget = readAttemptBudget(text);
      return budget === null ? null : new FailureBudget(name, budget, redis, registry);
    };
    this.#address = budgetOf('address_failures', settings.AUTH_FAILURES_PER_ADDRESS);
    this.#client = budgetOf('client_failures', settings.AUTH_FAILURES_PER_CLIENT);
  }

  /**
   * Takes one attempt of the address, and of the client id unless the address is one it is trusted from.
   *
   * @throws RateLimitedError when either has none left; then nothing was taken.
   */
  async reserve(address: string, clientId: string, trustedAddresses: readonly string[]): Promise<Reservation> {
    const source = addressKey(address);
    const isTrusted = trustedAddresses.some((trusted) => addressKey(trusted) === source);
    const ofAddress = await this.#reserve(this.#address, 'address', source, { address, clientId });
    try {
      const budget = isTrusted ? null : this.#client;
      const ofClient = await this.#reserve(budget, 'client', clientId, { address, clientId });
      return this.#both(ofAddress, ofClient, { address, clientId });
    } catch (error) {
      ofAddress.giveBack();
      throw error;
    }
  }

  async #reserve(
    budget: FailureBudget | null,
    kind: 'address' | 'client',
    subject: string,
    guess: Guess,
  ): Promise<Reservation> {
    if (budget === null) return FREE;
    try {
      return await budget.reserve(subject);
    } catch (error) {
      if (!(error instanceof BudgetSpentError)) throw error;
      this.stats.refused[kind] += 1;
      this.tally.note(guess);
      throw refusal(error.retryAfterSeconds);
    }
  }

  #both(ofAddress: Reservation, ofClient: Reservation, guess: Guess): Reservation {
    return {
      giveBack: () => {
        ofAddress.giveBack();
        ofClient.giveBack();
      },
      keepSpent: () => {
        ofAddress.keepSpent();
        ofClient.keepSpent();
        this.stats.failed += 1;
        this.tally.note(guess);
      },
    };
  }
}

/** Does not say whose budget is spent: that would tell how much others guess. */
function refusal(retryAfterSeconds: number): RateLimitedError {
  const seconds = `${retryAfterSeconds} second${retryAfterSeconds === 1 ? '' : 's'}`;
  return new RateLimitedError(
    `Too many wrong credentials were tried from your address or for this client. Try again in ${seconds}.`,
    retryAfterSeconds,
  );
}
