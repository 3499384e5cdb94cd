import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody } from './error-body.js';
import { MALFORMED_REQUEST, type Refusal, refusalOfStatus } from './refusal.js';
import type { RequestEdge } from './request-edge.js';
import { SECURITY_HEADERS } from './security-headers.js';
import { isClosing } from './unread-body.js';

const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['HPE_HEADER_OVERFLOW', refusalOfStatus(431)],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', refusalOfStatus(413)],
  ['ERR_HTTP_REQUEST_TIMEOUT', refusalOfStatus(408)],
]);

const FIXED_HEADERS = Object.entries(SECURITY_HEADERS)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('');

/**
 * Answers bytes that are no request: bad HTTP, a header block that is too large or too slow, a body that breaks its
 * framing. There is no path to tell a dialect by, so it is a problem document. The connection ends; the record of the
 * request under way, or one made for the purpose, says why. A caller that merely left, or connected and said nothing, is
 * not answered and, without a request under way, not recorded.
 */
export function answerClientError(edge: RequestEdge, error: Error & { code?: string }, socket: Socket): void {
  const request = edge.current(socket);
  const saidNothing = socket.bytesRead === 0;
  const left = error.code === 'ECONNRESET' || (error.code === 'HPE_INVALID_EOF_STATE' && request !== undefined);
  if (left || saidNothing || socket.destroyed || isClosing(socket)) {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS.get(error.code ?? '') ?? MALFORMED_REQUEST;
  if (request === undefined) {
    const record = edge.recordUnreadable(socket, refusal);
    write(socket, refusal, record.requestId, '');
  } else {
    const reply = edge.open.replyOf(request);
    if (reply !== undefined && !reply.raw.headersSent) {
      request.record.errorCode = refusal.code;
      write(socket, refusal, request.record.requestId, request.url);
      edge.closed(request, refusal.status, false);
    }
  }
  socket.destroySoon();
}

function write(socket: Socket, refusal: Refusal, requestId: string, url: string): void {
  if (!socket.writable) return;
  const { contentType, text } = errorBody('core', refusal, requestId, url);
  socket.write(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n` +
      `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n` +
      `x-request-id: ${requestId}\r\nconnection: close\r\n${FIXED_HEADERS}\r\n${text}`,
  );
}
