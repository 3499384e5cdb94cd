import { isUtf8 } from 'node:buffer';
import { InvalidRequestError, MalformedBodyError } from '../../kernel/app-error.js';
import { type ByteSpan, hasMoreParts, locateKeys } from './json-scan.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A request body that is forwarded as it was received, together with what had to be known of it. */
export interface RequestBody {
  readonly bytes: Buffer;
  readonly json: JsonObject;
  /** Where the top-level `model` value stands in `bytes`; null when there is none. */
  readonly modelSpan: ByteSpan | null;
}

const ROUTING_KEYS = ['model', 'stream'] as const;
/**
 * What parsing costs goes by the parts of a body rather than by its bytes: four megabytes of brackets would hold up every
 * request of this process for half a second.
 */
const MAX_PARTS = 131_072;
/** A part takes two bytes at least: what is shorter cannot have too many. */
const COUNTED_FROM_BYTES = 2 * MAX_PARTS;

/**
 * Checks that the body is one JSON object in UTF-8 (RFC 8259) and finds its `model`.
 *
 * `model` and `stream` may stand there once only: two readers that disagree on which one counts would let a caller be
 * checked for one model and served another.
 *
 * @throws MalformedBodyError when it is not a JSON object, or has more than 131072 strings, arrays and objects.
 * @throws InvalidRequestError when `model` or `stream` stands there twice.
 */
export function readRequestBody(bytes: Buffer): RequestBody {
  const json = parseObject(bytes);
  const { spans, duplicate } = locateKeys(bytes, ROUTING_KEYS);
  if (duplicate !== null)
    throw new InvalidRequestError([{ location: `body.${duplicate}`, message: 'must be given once' }]);
  return { bytes, json, modelSpan: spans.get('model') ?? null };
}

/** The received bytes with another `model`; the same buffer when that is what they say already. */
export function withModel(body: RequestBody, model: string): Buffer {
  if (body.modelSpan === null || body.json.model === model) return body.bytes;
  const { start, end } = body.modelSpan;
  return Buffer.concat([body.bytes.subarray(0, start), Buffer.from(JSON.stringify(model)), body.bytes.subarray(end)]);
}

/** The `model` a body names. @throws InvalidRequestError when there is none, or it is not a text. */
export function modelOf(body: RequestBody): string {
  const { model } = body.json;
  if (body.modelSpan === null || typeof model !== 'string' || model === '')
    throw new InvalidRequestError([
      { location: 'body.model', message: 'is required: a model as "provider/model", e.g. "core-nest/echo"' },
    ]);
  return model;
}

/**
 * Whether a body asks for a stream. What is neither true nor false is not passed on: a provider that takes `"true"` or 1
 * for true would stream to a caller who was not counted as streaming.
 *
 * @throws InvalidRequestError
 */
export function streamOf({ json: { stream = null } }: RequestBody): boolean {
  if (stream === null || typeof stream === 'boolean') return stream === true;
  throw new InvalidRequestError([{ location: 'body.stream', message: 'must be true or false' }]);
}

function parseObject(bytes: Buffer): JsonObject {
  if (bytes.length === 0) throw new MalformedBodyError('The request body is empty; a JSON object is needed.');
  if (!isUtf8(bytes)) throw new MalformedBodyError('The request body is not UTF-8.');
  if (bytes.length > COUNTED_FROM_BYTES && hasMoreParts(bytes, MAX_PARTS))
    throw new MalformedBodyError(`The request body has more than ${MAX_PARTS} strings, arrays and objects.`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw new MalformedBodyError('The request body is not valid JSON.');
  }
  if (!isObject(value)) throw new MalformedBodyError('The request body must be a JSON object.');
  return value;
}

/** Whether a parsed JSON value is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
