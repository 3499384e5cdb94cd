import { HttpException } from '@nestjs/common';
import { AppError, type FieldError, HeadersTooLargeError, ServiceUnavailableError } from '../../kernel/app-error.js';
import { isDatabaseUnavailable } from '../database/database-error.js';

/** What a caller is told: an `AppError`, or what something else that was thrown amounts to. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly type: string;
  readonly errors?: readonly FieldError[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly decisionId?: string | undefined;
}

function refusal(status: number, code: string, message: string): Refusal {
  return Object.freeze({ status, code, message, type: 'about:blank' });
}

export const MALFORMED_REQUEST = refusal(400, 'malformed_request', 'The request is not valid HTTP.');
export const INTERNAL_ERROR = refusal(
  500,
  'internal_error',
  'Something went wrong here. Report it with the request id.',
);

/** What the framework refuses by status alone. Its own messages are never passed on: they may quote the request. */
const BY_STATUS: ReadonlyMap<number, Refusal> = new Map(
  [
    MALFORMED_REQUEST,
    refusal(403, 'permission_denied', 'This is not open to you.'),
    refusal(404, 'not_found', 'There is nothing at this path for this method.'),
    refusal(405, 'method_not_allowed', 'This path does not serve this method.'),
    refusal(408, 'request_timeout', 'The request did not arrive in time.'),
    refusal(413, 'payload_too_large', 'The request body is too large.'),
    refusal(414, 'uri_too_long', 'The URL is too long.'),
    refusal(415, 'unsupported_media_type', 'The request body is of a kind this route does not read.'),
    new HeadersTooLargeError('The request has more header lines, or more header bytes, than are read here.'),
    refusal(503, 'service_unavailable', 'The service cannot answer this right now. Try again shortly.'),
  ].map((each) => [each.status, each]),
);

/** The refusal of a status the framework gives; a bare 500 for one it should not give. */
export function refusalOfStatus(status: number): Refusal {
  return BY_STATUS.get(status) ?? INTERNAL_ERROR;
}

/**
 * What to tell the caller about anything thrown. Only an `AppError` speaks for itself; PostgreSQL being away is 503;
 * everything unknown is the bare 500 and is to be logged.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof AppError) return error;
  if (isDatabaseUnavailable(error)) return new ServiceUnavailableError();
  if (error instanceof HttpException) return refusalOfStatus(error.getStatus());
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number')
    return refusalOfStatus(error.statusCode);
  return INTERNAL_ERROR;
}
