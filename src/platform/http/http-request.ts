import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import type { RequestIdentity } from '../../kernel/auth-state.js';
import type { RequestRecord } from '../../kernel/request-record.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Opened by the edge before anything else runs. */
    record: RequestRecord;
    /** Set by `IpGateGuard`, for whoever checks a credential. */
    attempt: AuthAttempt;
    /** Set by `AuthGuard`; null on public routes and before it ran. */
    identity: RequestIdentity | null;
    /** W3C trace context to pass on; the caller's own when it sent a valid one. */
    readonly traceparent: string;
    /** When the edge saw the request, in `performance.now()` milliseconds. */
    openedAt: number;
    /** Where the edge keeps the request while it is open. */
    openSlot: number;
  }
}

export type HttpRequest = FastifyRequest;
export type HttpReply = FastifyReply;

/** The dialect a caller expects its errors in, told by the path alone (contract, section 1). */
export type Surface = 'openai' | 'anthropic' | 'google' | 'oauth' | 'core';

/** Gemini's methods, which its newer SDKs ask for under `/v1` instead of `/v1beta`. */
const GEMINI_METHOD = /:(?:[a-z]\w*Contents?|countTokens)(?:\?|$)/;

/** The surface of a request path. */
export function surfaceOf(url: string): Surface {
  if (url.startsWith('/v1/messages')) return 'anthropic';
  if (url.startsWith('/v1/models/') && GEMINI_METHOD.test(url)) return 'google';
  if (url.startsWith('/v1/')) return 'openai';
  if (url.startsWith('/v1beta/')) return 'google';
  if (url.startsWith('/oauth/')) return 'oauth';
  return 'core';
}
