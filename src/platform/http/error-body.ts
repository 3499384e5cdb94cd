import { STATUS_CODES } from 'node:http';
import type { Surface } from './http-request.js';
import type { Refusal } from './refusal.js';

export interface ErrorBody {
  readonly contentType: string;
  readonly text: string;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Titles of registered problem types (RFC 9457, 3.1.3: `about:blank` takes the status phrase). */
const TITLES: ReadonlyMap<string, string> = new Map([
  [
    'https://iana.org/assignments/http-problem-types#quota-exceeded',
    'Request cannot be satisfied as assigned quota has been exceeded',
  ],
]);

/** OpenAI's API names one code differently from ours. */
const OPENAI_CODES: ReadonlyMap<string, string> = new Map([['rate_limited', 'rate_limit_exceeded']]);

const ANTHROPIC_TYPES: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
]);

const GOOGLE_STATUSES: ReadonlyMap<number, string> = new Map([
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [409, 'ABORTED'],
  [429, 'RESOURCE_EXHAUSTED'],
  [500, 'INTERNAL'],
  [501, 'UNIMPLEMENTED'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'DEADLINE_EXCEEDED'],
]);

/**
 * RFC 6749, 5.2, has few codes; the ones for what no client did wrong are those of 4.1.2.1. A refusal whose own code is
 * not here is named by its status.
 */
const OAUTH_CODES: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'unsupported_grant_type',
]);
const OAUTH_ERRORS: ReadonlyMap<number, string> = new Map([
  [401, 'invalid_client'],
  [403, 'unauthorized_client'],
  [429, 'temporarily_unavailable'],
  [503, 'temporarily_unavailable'],
]);
/** `error_description` is printable ASCII without the quote and the backslash (RFC 6749, 5.2). */
const NOT_IN_DESCRIPTION = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** The path of a request target, without its query: that could hold what must not be echoed. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** The error body a caller of this surface can read (contract, section 1). */
export function errorBody(surface: Surface, refusal: Refusal, requestId: string, url: string): ErrorBody {
  switch (surface) {
    case 'openai':
      return { contentType: JSON_TYPE, text: JSON.stringify({ error: openAiError(refusal) }) };
    case 'anthropic':
      return {
        contentType: JSON_TYPE,
        text: JSON.stringify({
          type: 'error',
          error: { type: anthropicType(refusal.status), message: refusal.message },
          request_id: requestId,
        }),
      };
    case 'google':
      return {
        contentType: JSON_TYPE,
        text: JSON.stringify({
          error: { code: refusal.status, message: refusal.message, status: googleStatus(refusal.status) },
        }),
      };
    case 'oauth':
      return {
        contentType: JSON_TYPE,
        text: JSON.stringify({
          error: oauthError(refusal),
          error_description: oauthDescription(refusal),
          request_id: requestId,
        }),
      };
    case 'core':
      return { contentType: PROBLEM_TYPE, text: JSON.stringify(problem(refusal, requestId, pathOf(url))) };
  }
}

function problem(refusal: Refusal, requestId: string, instance: string) {
  return {
    type: refusal.type,
    title: TITLES.get(refusal.type) ?? STATUS_CODES[refusal.status] ?? 'Error',
    status: refusal.status,
    detail: refusal.message,
    instance,
    code: refusal.code,
    request_id: requestId,
    decision_id: refusal.decisionId,
    errors: refusal.errors,
  };
}

function openAiError(refusal: Refusal) {
  return {
    message: refusal.message,
    type: openAiType(refusal.status),
    param: openAiParam(refusal),
    code: OPENAI_CODES.get(refusal.code) ?? refusal.code,
  };
}

/** The official SDKs choose their error class by status; `type` is what OpenAI's API sends with it. */
function openAiType(status: number): string {
  if (status >= 500) return 'server_error';
  if (status === 429) return 'requests';
  return status === 403 ? 'permission_error' : 'invalid_request_error';
}

function openAiParam({ errors }: Refusal): string | null {
  const location = errors?.[0]?.location;
  if (location === undefined) return null;
  return location.startsWith('body.') ? location.slice('body.'.length) : location;
}

function anthropicType(status: number): string {
  return ANTHROPIC_TYPES.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

function googleStatus(status: number): string {
  return GOOGLE_STATUSES.get(status) ?? (status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT');
}

function oauthError({ code, status }: Refusal): string {
  if (OAUTH_CODES.has(code)) return code;
  return OAUTH_ERRORS.get(status) ?? (status >= 500 ? 'server_error' : 'invalid_request');
}

/** Whoever forgot the header may have put the secret into the body, where nobody reads it. */
function oauthDescription({ code, message }: Refusal): string {
  if (code === 'missing_credentials')
    return 'Authenticate with HTTP Basic: client_id and client_secret. In the body they are not read.';
  return message.replaceAll('"', "'").replaceAll(NOT_IN_DESCRIPTION, '?');
}
