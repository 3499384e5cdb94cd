import { Injectable } from '@nestjs/common';

/**
 * How one thing the process leans on is: `off` when the operator has not configured it. `degraded` and `down` of a
 * thing that is not essential make the process degraded, not unready.
 */
export type CheckState = 'up' | 'degraded' | 'down' | 'off';

export interface ReadinessReport {
  readonly status: 'ready' | 'degraded' | 'not_ready';
  readonly checks: Readonly<Record<string, string>>;
}

interface Check {
  readonly name: string;
  readonly essential: boolean;
  readonly state: () => CheckState | Promise<CheckState>;
}

const CHECK_TIMEOUT_MS = 1_000;
/** A report is good for this long: anyone may ask, and asking must not become load on PostgreSQL. */
const REPORT_MS = 1_000;

/**
 * Says whether this process should be given requests. Not before its warm-up, not while it drains, and not while
 * something essential is down; it goes on serving, degraded, while something else is.
 */
@Injectable()
export class ReadinessService {
  readonly #checks: Check[] = [];
  #phase: 'warming_up' | 'serving' | 'draining' = 'warming_up';
  #report: Promise<ReadinessReport> | null = null;
  #reportedAt = 0;

  /**
   * Adds a check. One that takes longer than a second, or throws, counts as down.
   *
   * @param options.essential without it the process cannot serve anybody.
   */
  register(
    name: string,
    state: () => CheckState | Promise<CheckState>,
    options: { readonly essential?: boolean } = {},
  ): void {
    this.#checks.push({ name, state, essential: options.essential ?? false });
    this.#report = null;
  }

  /** The data plane has been run through: the first requests will be as fast as the later ones. */
  setWarm(): void {
    if (this.#phase === 'warming_up') this.#phase = 'serving';
    this.#report = null;
  }

  /** From now on the process is not ready, for good. */
  drain(): void {
    this.#phase = 'draining';
    this.#report = null;
  }

  get draining(): boolean {
    return this.#phase === 'draining';
  }

  /** The present state; never rejects, never takes longer than a second, at most a second old. */
  report(): Promise<ReadinessReport> {
    const now = performance.now();
    if (this.#report === null || now - this.#reportedAt > REPORT_MS) {
      this.#reportedAt = now;
      this.#report = this.#look();
    }
    return this.#report;
  }

  async #look(): Promise<ReadinessReport> {
    const states = await Promise.all(this.#checks.map((check) => bounded(check)));
    const checks: Record<string, string> = { process: this.#phase };
    let degraded = false;
    let unready = this.#phase !== 'serving';
    this.#checks.forEach(({ name, essential }, index) => {
      const state = states[index] ?? 'down';
      checks[name] = state;
      if (state === 'down' && essential) unready = true;
      else if (state === 'down' || state === 'degraded') degraded = true;
    });
    return { status: unready ? 'not_ready' : degraded ? 'degraded' : 'ready', checks };
  }
}

async function bounded({ state }: Check): Promise<CheckState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<CheckState>((resolve) => {
    timer = setTimeout(resolve, CHECK_TIMEOUT_MS, 'down');
  });
  try {
    return await Promise.race([state(), late]);
  } catch {
    return 'down';
  } finally {
    clearTimeout(timer);
  }
}
