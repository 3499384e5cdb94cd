import { createHash } from 'node:crypto';
import type { LocalAnswer } from '../providers/provider.js';
import type { JsonObject } from '../request-body.js';
import { countTokens, refuse } from './echo-input.js';

const DEFAULT_DIMENSIONS = 256;
const MAX_DIMENSIONS = 4096;
/** Keeps one request from holding the event loop for long. */
const MAX_NUMBERS = 262_144;

/** Embeddings: unit vectors that depend on the text alone, so equal texts are equal and others nearly orthogonal. */
export function echoEmbeddings(body: JsonObject, model: string): LocalAnswer {
  const inputs = readInputs(body.input);
  const dimensions = body.dimensions ?? DEFAULT_DIMENSIONS;
  if (!isIntegerUpTo(dimensions, MAX_DIMENSIONS)) refuse('dimensions', `must be from 1 to ${MAX_DIMENSIONS}`);
  if (inputs.length * dimensions > MAX_NUMBERS) refuse('input', 'holds too many texts for this many dimensions');
  const format = body.encoding_format ?? 'float';
  if (format !== 'float' && format !== 'base64') refuse('encoding_format', 'must be float or base64');
  const inputTokens = inputs.reduce((sum, { tokens }) => sum + tokens, 0);
  const data = inputs.map(({ text }, index) => {
    const vector = vectorOf(text, dimensions);
    const embedding =
      format === 'base64' ? Buffer.from(vector.buffer, 0, vector.byteLength).toString('base64') : [...vector];
    return { object: 'embedding', index, embedding };
  });
  const answer = { object: 'list', data, model, usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } };
  return { contentType: 'application/json', body: JSON.stringify(answer), usage: { inputTokens, outputTokens: 0 } };
}

interface Input {
  readonly text: string;
  readonly tokens: number;
}

function readInputs(input: unknown): Input[] {
  if (typeof input === 'string') return [{ text: input, tokens: countTokens(input) }];
  if (!Array.isArray(input) || input.length === 0)
    refuse('input', 'is required: a text, an array of texts, or token ids');
  if (input.every((item) => typeof item === 'number')) return [readTokens(input)];
  return input.map((item, index) => {
    if (typeof item === 'string') return { text: item, tokens: countTokens(item) };
    if (Array.isArray(item) && item.every((token) => typeof token === 'number')) return readTokens(item);
    return refuse(`input[${index}]`, 'must be a text or an array of token ids');
  });
}

function readTokens(tokens: readonly number[]): Input {
  return { text: tokens.join(','), tokens: tokens.length };
}

function isIntegerUpTo(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}

function vectorOf(text: string, dimensions: number): Float32Array {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0) || 1;
  const vector = new Float32Array(dimensions);
  let squares = 0;
  for (let index = 0; index < dimensions; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = state / 0x80000000;
    vector[index] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares) || 1;
  return vector.map((value) => value / length);
}
