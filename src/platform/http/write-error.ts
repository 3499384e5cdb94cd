import type { OutgoingHttpHeaders } from 'node:http';
import { logError } from '../logging/log-error.js';
import { errorBody } from './error-body.js';
import { type HttpReply, type HttpRequest, surfaceOf } from './http-request.js';
import { INTERNAL_ERROR, type Refusal, refusalOf } from './refusal.js';
import { closeAfterAnswer, leavesBodyUnread } from './unread-body.js';

/**
 * Answers a request with what an error amounts to, in the dialect of its path, and notes the error's code in the
 * record. Works on hijacked replies too. Once a response has begun it can only be broken off, so that the caller does
 * not take it for whole. What is not an `AppError` is logged by name, code and frames.
 */
export function writeError(request: HttpRequest, reply: HttpReply, error: unknown): void {
  const refusal = refusalOf(error);
  if (refusal === INTERNAL_ERROR) logError(error, { requestId: request.record.requestId });
  writeRefusal(request, reply, refusal);
}

/** As `writeError`, for what is already known to be a refusal. */
export function writeRefusal(request: HttpRequest, reply: HttpReply, refusal: Refusal): void {
  const { raw } = reply;
  if (raw.destroyed) return;
  request.record.errorCode = refusal.code;
  if (raw.headersSent) {
    if (!raw.writableEnded) raw.destroy();
    return;
  }

  const surface = surfaceOf(request.url);
  const { contentType, text } = errorBody(surface, refusal, request.record.requestId, request.url);
  reply.headers(refusalHeaders(refusal));
  reply.header('content-type', contentType);
  if (surface === 'anthropic') reply.header('request-id', request.record.requestId);
  if (leavesBodyUnread(request.raw)) {
    reply.header('connection', 'close');
    closeAfterAnswer(request.raw.socket);
  }
  if (reply.sent) {
    const headers = reply.getHeaders() as OutgoingHttpHeaders;
    raw.writeHead(refusal.status, { ...headers, 'content-length': Buffer.byteLength(text) });
    raw.end(text);
  } else {
    reply.code(refusal.status).send(text);
  }
}

/** The headers that belong to a refusal: its own, and `Retry-After` in whole seconds, at least one. */
export function refusalHeaders(refusal: Refusal): Record<string, string> {
  const headers: Record<string, string> = { ...refusal.headers };
  if (refusal.retryAfterSeconds !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(refusal.retryAfterSeconds)));
  return headers;
}
