import type { LocalAnswer } from '../providers/provider.js';
import type { JsonObject } from '../request-body.js';
import {
  countTokens,
  type EchoInput,
  echoId,
  flagAt,
  objectsAt,
  pieces,
  readMessages,
  refuse,
  sse,
  textOf,
} from './echo-input.js';

const JSON_TYPE = 'application/json';

/** Anthropic's messages, whole or as its stream of events. */
export function echoMessages(body: JsonObject, model: string): LocalAnswer {
  const { text, inputTokens } = readBody(body);
  const { max_tokens } = body;
  if (typeof max_tokens !== 'number' || !Number.isInteger(max_tokens) || max_tokens < 1)
    refuse('max_tokens', 'is required: a whole number above 0');
  const usage = { inputTokens, outputTokens: countTokens(text) };
  const message = (content: readonly JsonObject[], stop: string | null, outputTokens: number) => ({
    id: echoId('msg_', text),
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage: {
      input_tokens: inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: outputTokens,
    },
  });
  if (flagAt(body, 'stream'))
    return {
      contentType: 'text/event-stream; charset=utf-8',
      body: events(message([], null, 0), text, usage.outputTokens),
      usage,
    };
  const whole = message([{ type: 'text', text }], 'end_turn', usage.outputTokens);
  return { contentType: JSON_TYPE, body: JSON.stringify(whole), usage };
}

/** How many tokens a request would be. Uses none. */
export function echoCountTokens(body: JsonObject): LocalAnswer {
  const { inputTokens } = readBody(body);
  return {
    contentType: JSON_TYPE,
    body: JSON.stringify({ input_tokens: inputTokens }),
    usage: { inputTokens: null, outputTokens: null },
  };
}

function readBody(body: JsonObject): EchoInput {
  const messages = objectsAt(body, 'messages');
  for (const [index, { role }] of messages.entries())
    if (role !== 'user' && role !== 'assistant' && role !== 'system')
      refuse(`messages[${index}].role`, 'must be user or assistant');
  return readMessages(messages, 'content', textOf(body.system));
}

function* events(message: JsonObject, text: string, output_tokens: number): Generator<string> {
  const event = (data: JsonObject) => sse(data, String(data.type));
  yield event({ type: 'message_start', message });
  yield event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
  for (const piece of pieces(text))
    yield event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } });
  yield event({ type: 'content_block_stop', index: 0 });
  yield event({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens },
  });
  yield event({ type: 'message_stop' });
}
