import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { ProviderError } from '../../kernel/provider-errors.js';
import { failureOf } from './upstream-failure.js';
import type { UpstreamPool } from './upstream-pool.js';

/** A provider's whole answer. */
export interface Collected {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What to ask, and how long and how large an answer may be. */
export interface CollectCall {
  readonly pool: UpstreamPool;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: Buffer;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/**
 * Sends a request to a provider and waits for the whole answer, whatever its status. Nothing is retried, and redirects
 * are answers like any other.
 *
 * @throws ProviderError, ProviderTimeoutError when there is no whole answer; ServiceUnavailableError when the pool is
 * full; the signal's reason when it aborts.
 */
export function collect(call: CollectCall): Promise<Collected> {
  return new Promise((resolve, reject) => {
    call.signal?.throwIfAborted();
    call.pool.acquire();
    let status = 0;
    let headers: IncomingHttpHeaders = {};
    let received = 0;
    let controller: Dispatcher.DispatchController | null = null;
    const chunks: Buffer[] = [];
    const abort = () => {
      const reason: unknown = call.signal?.reason;
      reject(reason);
      controller?.abort(new Error('aborted'));
    };
    call.signal?.addEventListener('abort', abort, { once: true });
    const settle = () => {
      call.pool.release();
      call.signal?.removeEventListener('abort', abort);
    };
    const { method, path, body } = call;
    call.pool.dispatch(
      { method, path, headers: call.headers, body },
      {
        onRequestStart(started) {
          controller = started;
          if (call.signal?.aborted) started.abort(new Error('aborted'));
        },
        onResponseStart(_controller, code, answered) {
          status = code;
          headers = answered;
        },
        onResponseData(current, chunk) {
          received += chunk.length;
          chunks.push(chunk);
          if (received > call.maxBytes) current.abort(new ProviderError('The answer of the provider is too large.'));
        },
        onResponseEnd() {
          settle();
          resolve({ status, headers, body: Buffer.concat(chunks) });
        },
        onResponseError(_controller, error) {
          settle();
          reject(error instanceof ProviderError ? error : failureOf(error));
        },
      },
    );
  });
}
