import { type Dispatcher, Pool } from 'undici';
import { ServiceUnavailableError } from '../../kernel/app-error.js';

const KEEP_ALIVE_MS = 10_000;
const MAX_HEADER_BYTES = 32_768;

/** Milliseconds an upstream call may take to connect, to begin its answer, and between two parts of it. */
export interface UpstreamTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
}

/**
 * The connections to one origin: HTTP/1.1, one request at a time on each. Redirects are not followed and nothing is
 * retried. A handler counts itself in with `acquire` and, when it has seen the end or the error, out with `release`.
 */
export class UpstreamPool {
  private readonly pool: Pool;
  private inFlight = 0;

  constructor(
    origin: string,
    readonly timeouts: UpstreamTimeouts,
    private readonly maxConnections: number,
  ) {
    this.pool = new Pool(origin, {
      connections: maxConnections,
      pipelining: 1,
      allowH2: false,
      connectTimeout: timeouts.connectMs,
      headersTimeout: timeouts.firstByteMs,
      bodyTimeout: timeouts.idleMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
  }

  /** @throws ServiceUnavailableError when every connection is taken: a queue would only hide the wait. */
  acquire(): void {
    if (this.inFlight >= this.maxConnections)
      throw new ServiceUnavailableError('Every connection to the provider is taken. Try again shortly.');
    this.inFlight += 1;
  }

  release(): void {
    this.inFlight -= 1;
  }

  /** Sends one request. Errors, those in the options included, come to the handler. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.pool.dispatch(options, handler);
  }

  /** Open connections, and requests under way. */
  stats(): { readonly connected: number; readonly running: number } {
    return { connected: this.pool.stats.connected, running: this.inFlight };
  }

  /** Breaks off what is still running. */
  async destroy(): Promise<void> {
    await this.pool.destroy();
  }
}
