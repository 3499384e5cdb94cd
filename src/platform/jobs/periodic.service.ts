import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { log } from '../logging/log.js';
import { logError } from '../logging/log-error.js';
import { AdvisoryLockRepository } from './advisory-lock.repository.js';

const STOP_TIMEOUT_MS = 5_000;

export interface PeriodicOptions {
  /** Only one of all replicas runs it; another takes over when that one stops. Without PostgreSQL nobody runs it. */
  readonly once?: boolean;
  /** Also run right away, not only after the first interval. */
  readonly immediately?: boolean;
}

interface Job {
  readonly name: string;
  readonly work: () => Promise<unknown>;
  readonly once: boolean;
  running: Promise<void> | null;
  failures: number;
}

/** Work that is done over and over in the background, and never keeps the process alive. */
@Injectable()
export class PeriodicService implements OnModuleDestroy {
  readonly #jobs: Job[] = [];
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(private readonly locks: AdvisoryLockRepository) {}

  /**
   * Runs `work` every `intervalMs` milliseconds, never twice at once: a tick that finds it running is skipped. What it
   * throws is logged by name and code, the first time in a row, and tried again at the next tick.
   */
  every(name: string, intervalMs: number, work: () => Promise<unknown>, options: PeriodicOptions = {}): void {
    const job: Job = { name, work, once: options.once ?? false, running: null, failures: 0 };
    this.#jobs.push(job);
    this.#timers.push(setInterval(() => this.#tick(job), intervalMs).unref());
    if (options.immediately) this.#tick(job);
  }

  /** Starts nothing more, and waits up to five seconds for what runs. */
  async onModuleDestroy(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_TIMEOUT_MS);
    });
    await Promise.race([Promise.all(this.#jobs.map((job) => job.running)), timeout]);
    clearTimeout(timer);
  }

  #tick(job: Job): void {
    job.running ??= this.#run(job).finally(() => {
      job.running = null;
    });
  }

  async #run(job: Job): Promise<void> {
    try {
      if (job.once && !(await this.locks.holds(job.name))) return;
      await job.work();
      if (job.failures > 0) log('info', 'periodic work succeeds again', { context: job.name, count: job.failures });
      job.failures = 0;
    } catch (error) {
      job.failures++;
      if (job.failures === 1) logError(error, { context: job.name, level: 'warn' });
    }
  }
}
