import { createHash } from 'node:crypto';
import { InvalidRequestError } from '../../../kernel/app-error.js';
import { isObject, type JsonObject } from '../request-body.js';

const MANY_PIECES = 1_000;

/** What was said to the echo: its answer, and how much input it came from. */
export interface EchoInput {
  /** The text of the last message of the user, or of the last message when none is the user's. */
  readonly text: string;
  readonly inputTokens: number;
}

/** A token is four UTF-16 code units, begun ones included: nobody's tokenizer, but the same number every time. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** An id that depends on the echoed text alone. */
export function echoId(prefix: string, text: string): string {
  return prefix + createHash('sha256').update(text).digest('hex').slice(0, 24);
}

/**
 * The pieces a text is streamed in: a word with the blanks after it, or several where a long text would make more than
 * a thousand or so. They add up to the text.
 */
export function* pieces(text: string): Generator<string> {
  const least = text.length / MANY_PIECES;
  let piece = '';
  for (const [word] of text.matchAll(/\s*\S+\s*|\s+/g)) {
    piece += word;
    if (piece.length < least) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

export function refuse(location: string, message: string): never {
  throw new InvalidRequestError([{ location: `body.${location}`, message }]);
}

/** A required, non-empty array of objects at `body[name]`. */
export function objectsAt(body: JsonObject, name: string): JsonObject[] {
  const value = body[name];
  if (value === undefined || value === null) refuse(name, 'is required');
  if (!Array.isArray(value) || value.length === 0) refuse(name, 'must be an array with at least one item');
  for (const [index, item] of value.entries()) if (!isObject(item)) refuse(`${name}[${index}]`, 'must be an object');
  return value;
}

/** An optional flag at `body[name]`. */
export function flagAt(body: JsonObject, name: string): boolean {
  const value = body[name];
  if (value !== undefined && value !== null && typeof value !== 'boolean') refuse(name, 'must be true or false');
  return value === true;
}

/** The text of a message's content: a string, or parts of which those with a `text` count. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('');
}

/** Reads messages of `{role, [contentKey]}`; `system` is text that counts as input besides them. */
export function readMessages(messages: readonly JsonObject[], contentKey: string, system: string): EchoInput {
  let inputTokens = countTokens(system);
  let lastOfUser: string | null = null;
  let last = '';
  for (const message of messages) {
    last = textOf(message[contentKey]);
    inputTokens += countTokens(last);
    if (message.role === 'user') lastOfUser = last;
  }
  return { text: lastOfUser ?? last, inputTokens };
}

/** One server-sent event, named when `event` is given. */
export function sse(data: unknown, event?: string): string {
  const line = `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
  return event === undefined ? line : `event: ${event}\n${line}`;
}
