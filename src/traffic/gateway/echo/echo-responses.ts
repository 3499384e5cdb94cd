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
  sse,
  textOf,
} from './echo-input.js';

/** OpenAI's Responses, whole or as its stream of events. */
export function echoResponses(body: JsonObject, model: string, created: number): LocalAnswer {
  const { text, inputTokens } = readInput(body);
  const usage = { inputTokens, outputTokens: countTokens(text) };
  const message = messageItem(echoId('msg_', text));
  const response = (status: string, output: readonly JsonObject[]) => ({
    id: echoId('resp_', text),
    object: 'response',
    created_at: created,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: typeof body.instructions === 'string' ? body.instructions : null,
    max_output_tokens: null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage: status === 'completed' ? responsesUsage(usage.inputTokens, usage.outputTokens) : null,
    user: null,
    metadata: {},
  });
  if (flagAt(body, 'stream'))
    return { contentType: 'text/event-stream; charset=utf-8', body: numbered(events(response, message, text)), usage };
  const whole = response('completed', [message('completed', [outputText(text)])]);
  return { contentType: 'application/json', body: JSON.stringify(whole), usage };
}

function readInput(body: JsonObject): EchoInput {
  const system = textOf(body.instructions);
  if (typeof body.input === 'string') return readMessages([{ role: 'user', content: body.input }], 'content', system);
  return readMessages(objectsAt(body, 'input'), 'content', system);
}

function responsesUsage(inputTokens: number, outputTokens: number) {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function messageItem(id: string) {
  return (status: string, content: readonly JsonObject[]) => ({
    id,
    type: 'message',
    status,
    role: 'assistant',
    content,
  });
}

function* events(
  response: (status: string, output: readonly JsonObject[]) => JsonObject,
  message: ReturnType<typeof messageItem>,
  text: string,
): Generator<JsonObject> {
  const item_id = message('', []).id;
  const at = { item_id, output_index: 0, content_index: 0 };
  const done = message('completed', [outputText(text)]);
  yield { type: 'response.created', response: response('in_progress', []) };
  yield { type: 'response.in_progress', response: response('in_progress', []) };
  yield { type: 'response.output_item.added', output_index: 0, item: message('in_progress', []) };
  yield { type: 'response.content_part.added', ...at, part: outputText('') };
  for (const delta of pieces(text)) yield { type: 'response.output_text.delta', ...at, delta, logprobs: [] };
  yield { type: 'response.output_text.done', ...at, text, logprobs: [] };
  yield { type: 'response.content_part.done', ...at, part: outputText(text) };
  yield { type: 'response.output_item.done', output_index: 0, item: done };
  yield { type: 'response.completed', response: response('completed', [done]) };
}

function* numbered(all: Iterable<JsonObject>): Generator<string> {
  let sequence_number = 0;
  for (const event of all) {
    yield sse({ ...event, sequence_number }, String(event.type));
    sequence_number += 1;
  }
}
