import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { subjectOf } from '../../kernel/auth-state.js';
import { pathOf } from '../http/error-body.js';
import type { HttpReply, HttpRequest } from '../http/http-request.js';

/** A request that may come again under the same key, and must then be answered as it was the first time. */
export interface IdempotentCall {
  /** Who asks: the same key of another caller is another key. */
  readonly caller: string;
  readonly method: string;
  /** The route's template. */
  readonly route: string;
  readonly path: string;
  readonly key: string;
  /** What is asked for, written so that equal bodies are equal texts. */
  readonly body: string;
}

/** How a handler's request is known again: all but the body, which is read by its own parameter. */
export type IdempotentCaller = Omit<IdempotentCall, 'body'>;

const KEY = /^[\x21-\x7e]{1,255}$/;
const HEADER = 'Idempotency-Key';
const REPLAYED = 'Idempotent-Replayed';

const Caller = createParamDecorator((_data: undefined, context: ExecutionContext) =>
  readIdempotencyKey(context.switchToHttp().getRequest<HttpRequest>()),
);

/** A handler's parameter: an `IdempotentCaller`, or null when no `Idempotency-Key` was sent. 400 for a key that is none. */
export const IdempotencyKey = (): ParameterDecorator => Caller();

/** Shows OpenAPI that the operation honours `Idempotency-Key`. */
export const ApiIdempotencyKey = () =>
  applyDecorators(
    ApiHeader({
      name: HEADER,
      required: false,
      description: `1 to 255 visible ASCII characters. Sent again within ten minutes, with the same body, it is given the same answer, marked \`${REPLAYED}: true\`, and nothing is made twice.`,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
  );

/** @throws InvalidRequestError naming the header when it is not 1 to 255 visible ASCII characters, sent once. */
export function readIdempotencyKey(request: HttpRequest): IdempotentCaller | null {
  const key = request.headers[HEADER.toLowerCase()];
  if (key === undefined) return null;
  // Two of them arrive joined by a comma and a blank, which no key holds.
  if (typeof key !== 'string' || !KEY.test(key))
    throw new InvalidRequestError([
      { location: `header.${HEADER}`, message: 'must be 1 to 255 visible ASCII characters, sent once' },
    ]);
  return {
    caller: callerOf(request),
    method: request.method,
    route: request.routeOptions.url ?? '',
    path: pathOf(request.url),
    key,
  };
}

/** The call a caller makes with this body; null when it sent no key. */
export function callWith(caller: IdempotentCaller | null, body: object): IdempotentCall | null {
  return caller === null ? null : { ...caller, body: sortedJson(body) };
}

/** Tells the caller that its answer was given before. */
export function markReplayed(reply: HttpReply, replayed: boolean): void {
  if (replayed) reply.header(REPLAYED, 'true');
}

function callerOf({ identity }: HttpRequest): string {
  const state = identity?.state;
  const subject = state === undefined ? null : subjectOf(state);
  return subject === null ? 'nobody' : `${state?.kind} ${subject}`;
}

/** Flat objects, as bodies are; the order of their fields says nothing. */
function sortedJson(body: object): string {
  return JSON.stringify(Object.entries(body).sort(([left], [right]) => (left < right ? -1 : 1)));
}
