import { Injectable, type OnModuleInit } from '@nestjs/common';
import { IdempotencyKeyInUseError, IdempotencyKeyReusedError } from '../../kernel/app-error.js';
import { type Transaction, Transactions } from '../database/transactions.js';
import { PeriodicService } from '../jobs/periodic.service.js';
import { DatabaseClock } from '../replicas/database-clock.js';
import { AnswerSeal } from './answer-seal.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import type { IdempotentCall } from './idempotent-call.js';

/** How long an answer is given once more. */
const KEPT_MS = 600_000;
const CLEAN_EVERY_MS = 60_000;
/** How long a repeated request waits for the first one. */
const PATIENCE_MS = 5_000;

/** Runs what makes something in one transaction. The work before it (checks, hashing) holds no connection. */
export type Mint<Minted> = (work: (transaction: Transaction) => Promise<Minted>) => Promise<Minted>;

/** An answer, and whether it was given before. */
export interface Given<Answer> {
  readonly answer: Answer;
  readonly replayed: boolean;
}

/** The transaction found the key taken: there is an answer to give once more. */
class AlreadyMinted extends Error {}

/**
 * `Idempotency-Key` where a secret is minted: what the caller was cut off from is given once more, for ten minutes, and
 * nothing is minted twice. The answer is kept in the very transaction that mints, encrypted. Without PostgreSQL nothing
 * is minted either, and every call rejects with the driver's error.
 */
@Injectable()
export class IdempotencyService implements OnModuleInit {
  /** First requests of this process whose outcome others may wait for. */
  readonly #underWay = new Map<string, { fingerprint: string; given: Promise<Given<unknown>> }>();

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: IdempotencyRepository,
    private readonly seal: AnswerSeal,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('forget-idempotency-keys', CLEAN_EVERY_MS, () => this.removeExpired(), { once: true });
  }

  /**
   * Mints once per key.
   *
   * @param call null when the caller sent no key: `run` is then simply run.
   * @param present makes the answer, as JSON can hold it, of what was minted; called inside the transaction.
   * @param run does the minting by calling its `mint` once; what it throws is passed on, and leaves no trace.
   * @throws IdempotencyKeyReusedError when the key came with another body; IdempotencyKeyInUseError when the first
   *   request with it is still under way after some seconds.
   */
  async once<Minted, Answer>(
    call: IdempotentCall | null,
    present: (minted: Minted) => Answer,
    run: (mint: Mint<Minted>) => Promise<unknown>,
  ): Promise<Given<Answer>> {
    if (call === null) return { answer: await this.#first(null, present, run), replayed: false };
    const id = this.seal.hash(call.caller, call.method, call.route, call.path, call.key);
    const kept: Row = { id, fingerprint: this.seal.hash('body', call.body) };
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const before = this.#underWay.get(id);
      if (before === undefined) {
        const given = this.#giveOrMint(kept, present, run);
        this.#underWay.set(id, { fingerprint: kept.fingerprint, given });
        return given.finally(() => this.#underWay.delete(id));
      }
      const given = await outcomeOf<Given<Answer>>(before.given as Promise<Given<Answer>>, deadline);
      if (given === null) continue;
      if (before.fingerprint !== kept.fingerprint) throw new IdempotencyKeyReusedError();
      return { answer: given.answer, replayed: true };
    }
  }

  /** Deletes the answers whose time is over. */
  removeExpired(): Promise<void> {
    return this.repository.removeExpired(new Date(this.clock.now()));
  }

  async #giveOrMint<Minted, Answer>(
    row: Row,
    present: (minted: Minted) => Answer,
    run: (mint: Mint<Minted>) => Promise<unknown>,
  ): Promise<Given<Answer>> {
    const kept = await this.#kept<Answer>(row);
    if (kept !== null) return { answer: kept, replayed: true };
    try {
      return { answer: await this.#first(row, present, run), replayed: false };
    } catch (error) {
      if (!(error instanceof AlreadyMinted)) throw error;
      const answer = await this.#kept<Answer>(row);
      if (answer === null) throw new IdempotencyKeyInUseError();
      return { answer, replayed: true };
    }
  }

  async #first<Minted, Answer>(
    row: Row | null,
    present: (minted: Minted) => Answer,
    run: (mint: Mint<Minted>) => Promise<unknown>,
  ): Promise<Answer> {
    const outcome: { answer?: Answer } = {};
    await run((work) =>
      this.transactions.run(async (transaction) => {
        if (row !== null) await this.#claim(transaction, row);
        const minted = await work(transaction);
        const answer = present(minted);
        if (row !== null) {
          await this.repository.keep(transaction, row.id, this.seal.seal(row.id, answer), this.#end());
        }
        outcome.answer = answer;
        return minted;
      }),
    );
    if (!('answer' in outcome)) throw new Error('Nothing was minted.');
    return outcome.answer as Answer;
  }

  async #claim(transaction: Transaction, { id, fingerprint }: Row): Promise<void> {
    const now = new Date(this.clock.now());
    if (!(await this.repository.claim(transaction, id, fingerprint, now, this.#end()))) throw new AlreadyMinted();
  }

  async #kept<Answer>({ id, fingerprint }: Row): Promise<Answer | null> {
    const kept = await this.repository.find(id, new Date(this.clock.now()));
    if (kept === null) return null;
    if (kept.fingerprint !== fingerprint) throw new IdempotencyKeyReusedError();
    const answer = this.seal.open(id, kept.answer);
    // Sealed under another MASTER_KEY: it cannot be given, and minting a second time is what must not happen.
    if (answer === undefined) throw new IdempotencyKeyInUseError();
    return answer as Answer;
  }

  #end(): Date {
    return new Date(this.clock.now() + KEPT_MS);
  }
}

/** What whoever came before was given; null when that was refused. @throws IdempotencyKeyInUseError after the deadline. */
async function outcomeOf<T>(before: Promise<T>, deadline: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new IdempotencyKeyInUseError()), deadline - performance.now());
  });
  try {
    return await Promise.race([before.catch(() => null), tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where an answer is kept, and for which body. */
interface Row {
  readonly id: string;
  readonly fingerprint: string;
}
