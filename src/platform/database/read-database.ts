import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { AppError } from '../../kernel/app-error.js';
import type { Settings } from '../config/settings.js';
import { log } from '../logging/log.js';
import { readingOptions } from './data-source.js';
import { isDatabaseUnavailable } from './database-error.js';

/** How long the replica is left alone after it failed. */
const REST_MS = 5_000;
const QUERY_CANCELED = '57014';
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * Where lists are read: the replica of `DATABASE_READ_URL`, or the one PostgreSQL there is. A replica lags: what was
 * written a moment ago may not be in a list yet. So whoever decides something by what it reads, authentication above
 * all, reads elsewhere.
 *
 * | the replica | behaviour |
 * |---|---|
 * | refuses, breaks off, is behind the schema, cancels for its recovery | the same is read from the primary |
 * | does not answer | the same, after two seconds at most; for the next five it is not asked |
 * | cancels a statement that took too long | the caller hears of it: the primary would not be faster |
 */
@Injectable()
export class ReadDatabase implements OnApplicationShutdown {
  /** Counted since start: where reads were answered, and how often the replica could not. */
  readonly stats = { primary: 0, replica: 0, failures: 0 };
  readonly #options: DataSourceOptions | null;
  #replica: Promise<DataSource> | null = null;
  #restUntil = Number.NEGATIVE_INFINITY;
  /** The replica failed last: one read at a time finds out whether it answers again. */
  #isSuspect = false;
  #isProbed = false;

  constructor(
    settings: Pick<Settings, 'DATABASE_READ_URL' | 'DATABASE_POOL_SIZE'>,
    private readonly primary: DataSource,
  ) {
    const { DATABASE_READ_URL: url, DATABASE_POOL_SIZE: poolSize } = settings;
    this.#options = url ? { ...readingOptions(url, poolSize), entities: primary.options.entities } : null;
  }

  /**
   * Runs `work`, which only reads, on the replica; and when that cannot answer, once more on the primary. Rejects as
   * `work` does on the primary.
   */
  async run<T>(work: (source: DataSource) => Promise<T>): Promise<T> {
    if (this.#options !== null && !this.#isProbed && performance.now() >= this.#restUntil) {
      this.#isProbed = this.#isSuspect;
      try {
        const read = await work(await this.#open(this.#options));
        this.#isSuspect = false;
        this.stats.replica += 1;
        return read;
      } catch (error) {
        if (!isOfTheReplica(error)) throw error;
        this.#rest();
      } finally {
        this.#isProbed = false;
      }
    }
    this.stats.primary += 1;
    return work(this.primary);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#close();
  }

  #open(options: DataSourceOptions): Promise<DataSource> {
    this.#replica ??= new DataSource(options).initialize();
    return this.#replica;
  }

  /** Its connections may be dead without knowing it: the next ones are new. */
  #rest(): void {
    this.stats.failures += 1;
    this.#isSuspect = true;
    this.#restUntil = performance.now() + REST_MS;
    void this.#close();
    log('warn', 'the read replica cannot answer: lists are read from the primary', { context: 'read-database' });
  }

  async #close(): Promise<void> {
    const closing = this.#replica;
    this.#replica = null;
    await closing?.then((source) => source.destroy()).catch(() => undefined);
  }
}

/** Whatever PostgreSQL or the driver says, but for a statement that took too long. */
function isOfTheReplica(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || error instanceof AppError) return false;
  const code: unknown = Reflect.get(error, 'code');
  if (code === QUERY_CANCELED) return false;
  return isDatabaseUnavailable(error) || (typeof code === 'string' && SQLSTATE.test(code));
}
