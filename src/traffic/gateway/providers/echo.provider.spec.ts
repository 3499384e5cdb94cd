import fc from 'fast-check';
import { FrozenClock } from '../../../../test/support/frozen-clock.js';
import { InvalidRequestError } from '../../../kernel/app-error.js';
import type { JsonObject } from '../request-body.js';
import {
  ANTHROPIC_USAGE,
  GEMINI_USAGE,
  OPENAI_USAGE,
  RESPONSES_USAGE,
  type UsageDialect,
  UsageTap,
} from '../usage-tap.js';
import { EchoProvider } from './echo.provider.js';
import type { Operation } from './provider.js';

const echo = new EchoProvider(new FrozenClock());
const MODEL = 'core-nest/echo';

function answer(operation: Operation, body: JsonObject, sse = false) {
  const { body: written, ...rest } = echo.answer(operation, body, MODEL, sse);
  return { ...rest, text: typeof written === 'string' ? written : [...written].join('') };
}

const BODIES: readonly [Operation, UsageDialect, (text: string) => JsonObject][] = [
  [
    'chat',
    OPENAI_USAGE,
    (text) => ({ messages: [{ role: 'user', content: text }], stream_options: { include_usage: true } }),
  ],
  ['completions', OPENAI_USAGE, (text) => ({ prompt: text, stream_options: { include_usage: true } })],
  ['responses', RESPONSES_USAGE, (text) => ({ input: text })],
  ['messages', ANTHROPIC_USAGE, (text) => ({ max_tokens: 1, messages: [{ role: 'user', content: text }] })],
];

describe('EchoProvider', () => {
  it.each(BODIES)(
    '%s: reports in its answer, whole and streamed, the usage that it books',
    (operation, dialect, body) => {
      fc.assert(
        fc.property(fc.string({ maxLength: 200 }), fc.boolean(), (text, stream) => {
          const { usage, text: written } = answer(operation, { ...body(text), stream });
          const tap = new UsageTap(dialect);
          tap.push(Buffer.from(written));
          expect(tap.read()).toEqual(usage);
          expect(usage.outputTokens).toBe(Math.ceil(text.length / 4));
        }),
      );
    },
  );

  it('answers the same request with the same bytes', () => {
    const body = { messages: [{ role: 'user', content: 'again' }] };
    expect(answer('chat', body)).toEqual(answer('chat', body));
  });

  it('writes a Gemini stream as one JSON array when server-sent events are not asked for', () => {
    const { text, usage, contentType } = answer('stream_generate', {
      contents: [{ parts: [{ text: 'one two three' }] }],
    });
    expect(contentType).toBe('application/json');
    const parts = JSON.parse(text) as { candidates: { content: { parts: { text: string }[] } }[] }[];
    expect(parts.map((part) => part.candidates[0]?.content.parts[0]?.text)).toEqual(['one ', 'two ', 'three']);
    const tap = new UsageTap(GEMINI_USAGE);
    tap.push(Buffer.from(text));
    expect(tap.read()).toEqual(usage);
  });

  it('streams a long text in a bounded number of events, which add up to it', () => {
    const text = 'a '.repeat(100_000);
    const { text: written } = answer('completions', { prompt: text, stream: true });
    const events = written
      .split('\n\n')
      .flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []));
    expect(events.length).toBeLessThan(1_010);
    expect(events.map((event) => event.choices[0]?.text ?? '').join('')).toBe(text);
  });

  it('says back the last message of the user', () => {
    const messages = [
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'first' },
      { role: 'user', content: [{ type: 'text', text: 'sec' }, { type: 'image_url' }, { type: 'text', text: 'ond' }] },
      { role: 'assistant', content: 'so' },
    ];
    expect(JSON.parse(answer('chat', { messages }).text).choices[0].message.content).toBe('second');
  });

  it.each<[Operation, JsonObject, string]>([
    ['chat', {}, 'body.messages: is required'],
    ['chat', { messages: 'x' }, 'body.messages: must be an array with at least one item'],
    ['chat', { messages: [] }, 'body.messages: must be an array with at least one item'],
    ['chat', { messages: [1] }, 'body.messages[0]: must be an object'],
    ['chat', { messages: [{ content: 'x' }] }, 'body.messages[0].role: is required'],
    ['chat', { messages: [{ role: 'user' }], stream: 'yes' }, 'body.stream: must be true or false'],
    ['completions', {}, 'body.prompt: is required: a text'],
    ['embeddings', {}, 'body.input: is required: a text, an array of texts, or token ids'],
    ['embeddings', { input: ['a', {}] }, 'body.input[1]: must be a text or an array of token ids'],
    ['embeddings', { input: 'a', dimensions: 0 }, 'body.dimensions: must be from 1 to 4096'],
    ['embeddings', { input: 'a', encoding_format: 'hex' }, 'body.encoding_format: must be float or base64'],
    ['embeddings', { input: Array(2000).fill('a') }, 'body.input: holds too many texts for this many dimensions'],
    ['responses', {}, 'body.input: is required'],
    ['messages', { max_tokens: 1 }, 'body.messages: is required'],
    ['messages', { messages: [{ role: 'user' }] }, 'body.max_tokens: is required: a whole number above 0'],
    ['messages', { max_tokens: 1, messages: [{ role: 'x' }] }, 'body.messages[0].role: must be user or assistant'],
    ['generate', {}, 'body.contents: is required'],
    ['generate', { contents: [{}] }, 'body.contents[0].parts: is required'],
  ])('%s refuses %j', (operation, body, message) => {
    expect(() => echo.answer(operation, body, MODEL, false)).toThrow(InvalidRequestError);
    expect(() => echo.answer(operation, body, MODEL, false)).toThrow(message);
  });
});
