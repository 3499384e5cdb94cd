import fc from 'fast-check';
import {
  ANTHROPIC_USAGE,
  GEMINI_USAGE,
  OPENAI_USAGE,
  RESPONSES_USAGE,
  type UsageDialect,
  UsageTap,
} from './usage-tap.js';

function read(dialect: UsageDialect, text: string, size = 64) {
  const tap = new UsageTap(dialect);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) tap.push(bytes.subarray(at, at + size));
  return tap.read();
}

const NOTHING = { inputTokens: null, outputTokens: null };

describe('UsageTap', () => {
  it.each([
    [OPENAI_USAGE, '{"usage":{"prompt_tokens":5,"completion_tokens":7}}', 5, 7],
    [OPENAI_USAGE, '{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}', 5, 0],
    [OPENAI_USAGE, '{\n  "usage" : {\n "prompt_tokens" : 5,\n "completion_tokens" : 7 } }', 5, 7],
    [RESPONSES_USAGE, '{"usage":{"input_tokens":5,"output_tokens":7},"user":null,"metadata":{"a":"b"}}', 5, 7],
    [
      ANTHROPIC_USAGE,
      '{"usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":7}}',
      10,
      7,
    ],
    [
      GEMINI_USAGE,
      '[{"usageMetadata":{"promptTokenCount":5}},{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":1}}]',
      5,
      8,
    ],
  ])('reads %#', (dialect, text, inputTokens, outputTokens) => {
    expect(read(dialect, text)).toEqual({ inputTokens, outputTokens });
  });

  it.each([
    '',
    'usage',
    '{"usage":null}',
    '{"usage":{}}',
    '{"usage":{"prompt_tokens":-1}}',
    '{"usage":{"prompt_tokens":"5"}}',
    '{"usage":{"prompt_tokens":1.5}}',
    '{"usage":{"prompt_tokens":5',
    '{"usage":[5]}',
    '"usage"',
  ])('tells nothing from %j', (text) => {
    expect(read(OPENAI_USAGE, text)).toEqual(NOTHING);
  });

  it('does not take for usage what a model wrote', () => {
    const content = '{"usage":{"prompt_tokens":999,"completion_tokens":999}}';
    expect(read(OPENAI_USAGE, JSON.stringify({ choices: [{ message: { content } }] }))).toEqual(NOTHING);
  });

  it('takes the last usage, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.nat(1e9),
        fc.array(fc.string({ maxLength: 2000 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 5000 }),
        (prompt_tokens, completion_tokens, texts, size) => {
          const events = texts.map((content) => ({ choices: [{ delta: { content } }], usage: { prompt_tokens: 1 } }));
          const all = [...events, { choices: [], usage: { prompt_tokens, completion_tokens } }];
          const text = `${all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
          expect(read(OPENAI_USAGE, text, size)).toEqual({
            inputTokens: prompt_tokens,
            outputTokens: completion_tokens,
          });
        },
      ),
    );
  });

  it('takes the input of an Anthropic stream from its beginning, the output from its end', () => {
    const text = `event: message_start\ndata: {"message":{"usage":{"input_tokens":5,"output_tokens":1}}}\n\n${'data: {"type":"ping"}\n\n'.repeat(20_000)}data: {"usage":{"output_tokens":70}}\n\n`;
    expect(read(ANTHROPIC_USAGE, text, 1000)).toEqual({ inputTokens: 5, outputTokens: 70 });
  });

  it('keeps a bounded part of a long response', () => {
    const tap = new UsageTap(OPENAI_USAGE);
    for (let index = 0; index < 10_000; index += 1) tap.push(Buffer.alloc(1000));
    const kept = Object.values(tap).flat().filter(Buffer.isBuffer);
    expect(kept.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(50_000);
  });
});
