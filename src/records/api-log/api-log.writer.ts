import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { RequestRecord } from '../../kernel/request-record.js';
import { Settings } from '../../platform/config/settings.js';
import { type RequestObserver, RequestObservers } from '../../platform/http/request-observer.js';
import { log } from '../../platform/logging/log.js';
import { logError } from '../../platform/logging/log-error.js';
import { ApiLogCopyRepository } from './api-log-copy.repository.js';
import { apiLogLine } from './api-log-line.js';
import { ApiLogNumbers } from './api-log-numbers.js';

/** Small enough that sending a batch does not hold up the requests of this thread. */
const BATCH_ROWS = 500;
const FLUSH_MS = 400;
/** How often PostgreSQL is told how many rows there should be. */
const MARK_MS = 100;
const MAX_RETRY_MS = 5_000;
const SHUTDOWN_MS = 5_000;
const SHUTDOWN_RETRY_MS = 200;

export interface ApiLogStats {
  /** Rows that wait, those being written included. */
  readonly queued: number;
  readonly written: number;
  /** Rows that found the queue full. */
  readonly shed: number;
  /** Rows that PostgreSQL would not take, or that could not be made. */
  readonly rejected: number;
  /** Writes that failed and were, or will be, tried again. */
  readonly failures: number;
}

/**
 * The queue of the API log: one row per request, written in batches within half a second, and at shutdown. It holds
 * `API_LOG_QUEUE` rows and never makes a request wait: while PostgreSQL is away the queue fills, then rows are shed and
 * counted. What was in the queue is lost when the process is killed: what came in within one flush interval. Each row
 * has a number, shed ones too, so that what is missing can be counted.
 */
@Injectable()
export class ApiLogWriter implements RequestObserver, OnModuleInit, OnApplicationShutdown {
  readonly #capacity: number;
  #waiting: string[] = [];
  /** Taken from the queue and not yet acknowledged. */
  #batch: readonly string[] = [];
  #flushing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #marking: NodeJS.Timeout | undefined;
  #failuresInARow = 0;
  #stopping = false;
  readonly #counts = { written: 0, shed: 0, rejected: 0, failures: 0 };

  constructor(
    settings: Settings,
    private readonly repository: ApiLogCopyRepository,
    private readonly observers: RequestObservers,
    private readonly numbers: ApiLogNumbers,
  ) {
    this.#capacity = settings.API_LOG_QUEUE;
  }

  onModuleInit(): void {
    this.observers.add(this);
    this.#marking = setInterval(() => this.#mark(), MARK_MS).unref();
  }

  /** Queues the request's row. Never throws and never waits. */
  onRecordClosed(record: RequestRecord): void {
    const sequence = this.numbers.next();
    if (this.#queued >= this.#capacity) {
      this.#counts.shed++;
      return;
    }
    try {
      this.#waiting.push(apiLogLine(record, randomUUID(), this.numbers.process, sequence));
    } catch {
      this.#counts.rejected++;
      return;
    }
    if (this.#failuresInARow === 0 && this.#waiting.length >= BATCH_ROWS) this.#flush();
    else this.#flushIn(FLUSH_MS);
  }

  stats(): ApiLogStats {
    return { queued: this.#queued, ...this.#counts };
  }

  /** Writes what is queued, for five seconds at most; what is left then is lost, and said. */
  async onApplicationShutdown(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#marking);
    const deadline = Date.now() + SHUTDOWN_MS;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const cut = setTimeout(() => this.repository.close(), SHUTDOWN_MS);
    while (this.#queued > 0 && Date.now() < deadline) {
      await (this.#flushing ?? this.#flush());
      if (this.#queued > 0) await pause(SHUTDOWN_RETRY_MS);
    }
    await this.numbers.mark(true);
    clearTimeout(cut);
    this.repository.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#queued > 0) log('error', 'API log rows lost at shutdown', { context: 'api-log', count: this.#queued });
  }

  get #queued(): number {
    return this.#waiting.length + this.#batch.length;
  }

  #flushIn(milliseconds: number): void {
    if (this.#timer !== null || this.#flushing !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#flush();
    }, milliseconds).unref();
  }

  /** Starts writing unless it is under way; the promise never rejects. */
  #flush(): Promise<void> {
    if (this.#flushing !== null) return this.#flushing;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#flushing = this.#writeAll().finally(() => {
      this.#flushing = null;
      if (this.#queued > 0) this.#flushIn(this.#retryMs());
    });
    return this.#flushing;
  }

  /** Takes the connection's turn: while a batch is written, or writing fails, the mark waits for the next time. */
  #mark(): void {
    if (this.#flushing !== null || this.#failuresInARow > 0) return;
    this.#flushing = this.numbers.mark(false).finally(() => {
      this.#flushing = null;
      if (this.#queued > 0 && (this.#timer === null || this.#waiting.length >= BATCH_ROWS)) this.#flush();
    });
  }

  /** Batch after batch while full ones wait. What is less waits for more, unless the process stops. */
  async #writeAll(): Promise<void> {
    do {
      if (this.#batch.length === 0) this.#batch = this.#waiting.splice(0, BATCH_ROWS);
      try {
        const rejected = await this.repository.write(this.#batch);
        this.#counts.written += this.#batch.length - rejected;
        this.#counts.rejected += rejected;
        this.#batch = [];
        if (this.#failuresInARow > 0) this.#recovered();
      } catch (error) {
        this.#counts.failures++;
        this.#failuresInARow++;
        if (this.#failuresInARow === 1) logError(error, { context: 'api-log', level: 'warn' });
        return;
      }
    } while (this.#waiting.length >= BATCH_ROWS || (this.#stopping && this.#waiting.length > 0));
  }

  #recovered(): void {
    this.#failuresInARow = 0;
    log('info', 'API log is written again; rows shed since start', { context: 'api-log', count: this.#counts.shed });
  }

  #retryMs(): number {
    return this.#failuresInARow === 0 ? FLUSH_MS : Math.min(MAX_RETRY_MS, 100 * 2 ** this.#failuresInARow);
  }
}
