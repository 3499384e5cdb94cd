import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { RequestRecord } from '../../kernel/request-record.js';
import type { HttpReply } from '../../platform/http/http-request.js';
import { type DownHeaders, passDownHeaders } from './provider-headers.js';
import { failureOf, refusalOf } from './upstream-failure.js';
import type { UpstreamPool } from './upstream-pool.js';
import { type UsageDialect, UsageTap } from './usage-tap.js';

/** What is written to: the reply, with the headers the edge and the guards have put on it. */
export type Downstream = Pick<HttpReply, 'raw' | 'getHeaders' | 'hijack'>;

/**
 * A body of up to so many bytes is written as Latin-1 text, which is its bytes unchanged: Node then sends it and the
 * headers as one short text, at half the price of gathering a text and a buffer.
 */
const ONE_TEXT_BYTES = 12_288;

/** One request to a provider, and where its answer goes. */
export interface RelayCall {
  readonly pool: UpstreamPool;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly callersOwnKey: boolean;
  readonly usageDialect: UsageDialect | null;
  readonly record: RequestRecord;
  readonly reply: Downstream;
}

/**
 * Sends a request to a provider and writes the answer to the client as it arrives, byte for byte, no faster than the
 * client reads. A client that leaves aborts the upstream call at once. Nothing is retried: not after the first byte,
 * where the client would see two answers, and not before it, since a provider that broke off may have done the work.
 *
 * Resolves once the answer has begun, or the client has left. After that a provider that breaks off or pauses longer
 * than the idle time-out breaks the client's connection too, so that a cut answer never looks whole.
 *
 * @throws ProviderError, ProviderTimeoutError, ServiceUnavailableError before anything was written.
 */
export function relay(call: RelayCall): Promise<void> {
  return new Promise((resolve, reject) => {
    call.pool.acquire();
    const handler = new RelayHandler(call, resolve, reject);
    const { path, headers, body } = call;
    call.pool.dispatch({ method: 'POST', path, headers, body }, handler);
  });
}

class ClientGone extends Error {}

class RelayHandler implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null;
  private readonly tap: UsageTap | null;
  private started = false;
  /** The call is over for the client: it left, or it was answered, or its connection was broken. */
  private over = false;
  private released = false;
  private contentLength = -1;
  private success = false;
  private wrote = false;
  /** The whole body, when it came in one piece: written together with the headers. */
  private whole: Buffer | null = null;
  private stalled: NodeJS.Timeout | null = null;
  /**
   * Bound, not arrow functions: V8 puts a function literal that is assigned to a property into the old generation, and
   * all that it closes over, the whole request, would stay until the next full collection.
   */
  private readonly clientLeft = this.onClientLeft.bind(this);
  private drained: (() => void) | null = null;

  constructor(
    private readonly call: RelayCall,
    private readonly resolve: () => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.tap = call.usageDialect === null ? null : new UsageTap(call.usageDialect);
    const { raw } = call.reply;
    if (raw.destroyed) this.clientLeft();
    else raw.once('close', this.clientLeft);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.over) controller.abort(new ClientGone());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.over) return;
    const { reply, callersOwnKey, record } = this.call;
    const refusal = refusalOf(status, callersOwnKey);
    if (refusal !== null) {
      this.finish();
      this.reject(refusal);
      controller.abort(refusal);
      return;
    }
    this.started = true;
    this.success = status < 300;
    if (!this.success) record.errorCode = `provider_${status}`;
    this.contentLength = Number(headers['content-length'] ?? -1);
    const down = passDownHeaders(headers, reply.getHeaders() as DownHeaders, callersOwnKey);
    reply.hijack();
    reply.raw.writeHead(status, down);
    if (String(headers['content-type']).startsWith('text/event-stream')) {
      record.stream = true;
      setImmediate(() => {
        if (!this.over && !this.wrote) reply.raw.flushHeaders();
      });
    }
    this.resolve();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.over) return;
    if (this.success) this.tap?.push(chunk);
    if (chunk.length === this.contentLength) {
      this.whole = chunk;
      return;
    }
    this.wrote = true;
    const { raw } = this.call.reply;
    if (raw.write(chunk)) return;
    controller.pause();
    this.drained ??= this.onDrained.bind(this);
    raw.once('drain', this.drained);
    this.stalled = setTimeout(() => this.onClientStalled(), this.call.pool.timeouts.idleMs);
  }

  onResponseEnd(): void {
    this.release();
    if (this.over) return;
    this.noteUsage();
    this.finish();
    const { raw } = this.call.reply;
    if (this.whole === null) raw.end();
    else if (this.whole.length > ONE_TEXT_BYTES) raw.end(this.whole);
    else raw.end(this.whole.toString('latin1'), 'latin1');
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.release();
    if (this.over) return;
    const failure = failureOf(error);
    if (!this.started) {
      this.finish();
      this.reject(failure);
      return;
    }
    this.breakOff(failure.code);
  }

  private onDrained(): void {
    if (this.stalled !== null) clearTimeout(this.stalled);
    this.stalled = null;
    this.controller?.resume();
  }

  private onClientStalled(): void {
    this.breakOff('client_stalled');
    this.controller?.abort(new ClientGone());
  }

  private onClientLeft(): void {
    if (this.over) return;
    this.noteUsage();
    this.finish();
    if (!this.started) {
      this.call.reply.hijack();
      this.resolve();
    }
    this.controller?.abort(new ClientGone());
  }

  private breakOff(errorCode: string): void {
    this.noteUsage();
    this.finish();
    this.call.record.errorCode = errorCode;
    this.call.reply.raw.destroy();
  }

  private noteUsage(): void {
    if (!this.success || this.tap === null) return;
    const { inputTokens, outputTokens } = this.tap.read();
    this.call.record.inputTokens = inputTokens;
    this.call.record.outputTokens = outputTokens;
  }

  private finish(): void {
    this.over = true;
    if (this.stalled !== null) clearTimeout(this.stalled);
    this.call.reply.raw.removeListener('close', this.clientLeft);
    if (this.drained !== null) this.call.reply.raw.removeListener('drain', this.drained);
  }

  private release(): void {
    if (this.released) return;
    this.released = true;
    this.call.pool.release();
  }
}
