import type { OpenAPIObject } from '@nestjs/swagger';
import {
  AuthUnavailableError,
  InvalidRequestError,
  MissingCredentialsError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitedError,
} from '../../kernel/app-error.js';
import { errorBody } from './error-body.js';
import type { Surface } from './http-request.js';
import { INTERNAL_ERROR, type Refusal } from './refusal.js';

type Components = NonNullable<OpenAPIObject['components']>;
type Schema = NonNullable<Components['schemas']>[string];
type Response = NonNullable<Components['responses']>[string];

/** What a caller may be told of: the statuses worth a handler of their own, and `default` for all the rest. */
export type ErrorCase = 400 | 401 | 403 | 404 | 429 | 503 | 'default';

/** A refusal of each kind, for the examples; the codes a case can carry are named beside it. */
const CASES: ReadonlyMap<ErrorCase, readonly [description: string, example: Refusal]> = new Map<
  ErrorCase,
  readonly [string, Refusal]
>([
  [
    400,
    [
      'The request is not valid: `invalid_request`, `malformed_body`, `ambiguous_credentials`.',
      new InvalidRequestError([{ location: 'body.name', message: 'must be a text' }]),
    ],
  ],
  [
    401,
    ['No credential, or not a valid one: `missing_credentials`, `invalid_api_key`.', new MissingCredentialsError()],
  ],
  [403, ['The permission is missing: `permission_denied`.', new PermissionDeniedError('The permission is not held.')]],
  [404, ['There is no such thing: `not_found`, `model_not_found`.', new NotFoundError('There is no such thing.')]],
  [
    429,
    [
      'Too many requests: `rate_limited`, `concurrency_limited`. `Retry-After` says how long to wait.',
      new RateLimitedError('Too many requests.', 7),
    ],
  ],
  [
    503,
    [
      'It cannot be done right now: `auth_unavailable`, `service_unavailable`, `provider_not_configured`.',
      new AuthUnavailableError(),
    ],
  ],
  ['default', ['Any other refusal, in the same form.', INTERNAL_ERROR]],
]);

const SURFACES: readonly Surface[] = ['core', 'openai', 'anthropic', 'google', 'oauth'];
const text = { type: 'string' } as const;

const PROBLEM: Schema = {
  type: 'object',
  description: 'RFC 9457 problem details.',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id'],
  properties: {
    type: { ...text, format: 'uri-reference' },
    title: text,
    status: { type: 'integer' },
    detail: text,
    instance: { ...text, format: 'uri-reference' },
    code: { ...text, description: 'Stable: what a program should look at.' },
    request_id: text,
    decision_id: { ...text, description: 'Of a 429: names the decision, as `POST /api/v1/rate-limits/explain` does.' },
    errors: {
      type: 'array',
      items: { type: 'object', required: ['location', 'message'], properties: { location: text, message: text } },
    },
  },
};

const SCHEMAS: Readonly<Record<Surface, readonly [name: string, schema: Schema]>> = {
  core: ['Problem', PROBLEM],
  openai: [
    'OpenAiError',
    wrapped({
      message: text,
      type: text,
      param: { type: ['string', 'null'] as unknown as string },
      code: text,
    }),
  ],
  anthropic: [
    'AnthropicError',
    {
      type: 'object',
      required: ['type', 'error', 'request_id'],
      properties: {
        type: { ...text, enum: ['error'] },
        error: { type: 'object', required: ['type', 'message'], properties: { type: text, message: text } },
        request_id: text,
      },
    },
  ],
  oauth: [
    'OAuthError',
    {
      type: 'object',
      description: 'RFC 6749, section 5.2.',
      required: ['error', 'error_description', 'request_id'],
      properties: { error: text, error_description: text, request_id: text },
    },
  ],
  google: ['GoogleError', wrapped({ code: { type: 'integer' }, message: text, status: text })],
};

function wrapped(properties: Record<string, Schema>): Schema {
  return {
    type: 'object',
    required: ['error'],
    properties: { error: { type: 'object', required: Object.keys(properties), properties } },
  };
}

/** The error bodies of every surface and the answers that carry them, to be referred to with `errorResponses`. */
export function errorComponents(): { schemas: Record<string, Schema>; responses: Record<string, Response> } {
  const schemas: Record<string, Schema> = {};
  const responses: Record<string, Response> = {};
  for (const surface of SURFACES) {
    const [name, schema] = SCHEMAS[surface];
    schemas[name] = schema;
    for (const [errorCase, [description, refusal]] of CASES)
      responses[responseName(surface, errorCase)] = errorResponse(surface, description, refusal);
  }
  return { schemas, responses };
}

/** The `responses` of an operation that may be refused in each of these ways. */
export function errorResponses(surface: Surface, cases: readonly ErrorCase[]): Record<string, { $ref: string }> {
  return Object.fromEntries(
    cases.map((errorCase) => [errorCase, { $ref: `#/components/responses/${responseName(surface, errorCase)}` }]),
  );
}

function responseName(surface: Surface, errorCase: ErrorCase): string {
  return `${SCHEMAS[surface][0]}_${errorCase}`;
}

/** The example is what the edge would write, so that the two cannot drift apart. */
function errorResponse(surface: Surface, description: string, refusal: Refusal): Response {
  const { contentType, text: body } = errorBody(surface, refusal, 'req_0123456789abcdef01234567', '/api/v1/clients');
  const headers = {
    ...(refusal.headers?.['www-authenticate'] && { 'WWW-Authenticate': { schema: text } }),
    ...(refusal.retryAfterSeconds !== undefined && {
      'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } },
    }),
  };
  return {
    description,
    headers,
    content: {
      [contentType.replace(/;.*/, '')]: {
        schema: { $ref: `#/components/schemas/${SCHEMAS[surface][0]}` },
        example: JSON.parse(body),
      },
    },
  };
}
