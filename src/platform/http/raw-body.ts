import type { ServerResponse } from 'node:http';
import { MalformedBodyError, PayloadTooLargeError } from '../../kernel/app-error.js';
import type { HttpRequest } from './http-request.js';

const EMPTY = Buffer.alloc(0);
const BROKEN_OFF = 'The request ended before its body was whole.';

/**
 * Reads the whole body of a request, at most `limitBytes` of it, and notes its size in the record. Call it once, after
 * the guards. A body announced as larger is refused before any of it is read, one that grows larger as soon as it does.
 * How long it may take is bounded by the server's request time-out.
 *
 * @throws PayloadTooLargeError
 * @throws MalformedBodyError when the caller left before the body was whole.
 */
export function readRawBody(request: HttpRequest, limitBytes: number): Promise<Buffer> {
  const { raw } = request;
  const declared = raw.headers['content-length'];
  if (declared === undefined && raw.headers['transfer-encoding'] === undefined) return Promise.resolve(EMPTY);
  if (declared !== undefined && Number(declared) > limitBytes)
    return Promise.reject(new PayloadTooLargeError(limitBytes));
  if (raw.destroyed || raw.readableEnded) return Promise.reject(new MalformedBodyError(BROKEN_OFF));
  if (raw.headers.expect !== undefined) askForBody(request);

  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = () => {
      raw.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      request.record.bytesIn = size;
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= limitBytes) return;
      settle();
      raw.pause();
      reject(new PayloadTooLargeError(limitBytes));
    };
    const onEnd = () => {
      settle();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
    };
    const onClose = () => {
      settle();
      reject(new MalformedBodyError(BROKEN_OFF));
    };
    raw.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

const CONTINUE = Symbol('continue');

/** Remembers the response of a request that waits for `100 Continue`. */
export function rememberContinue(request: object, response: ServerResponse): void {
  (request as { [CONTINUE]?: ServerResponse })[CONTINUE] = response;
}

function askForBody(request: HttpRequest): void {
  (request.raw as { [CONTINUE]?: ServerResponse })[CONTINUE]?.writeContinue();
}
