import type { LocalAnswer } from '../providers/provider.js';
import { isObject, type JsonObject } from '../request-body.js';
import { countTokens, echoId, flagAt, objectsAt, pieces, readMessages, refuse, sse } from './echo-input.js';

const SSE = 'text/event-stream; charset=utf-8';
const JSON_TYPE = 'application/json';

function openAiUsage(inputTokens: number, outputTokens: number) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

/** Chat completions, whole or streamed; usage in the stream when `stream_options.include_usage` asks for it. */
export function echoChat(body: JsonObject, model: string, created: number): LocalAnswer {
  const messages = objectsAt(body, 'messages');
  for (const [index, message] of messages.entries())
    if (typeof message.role !== 'string') refuse(`messages[${index}].role`, 'is required');
  const { text, inputTokens } = readMessages(messages, 'content', '');
  const outputTokens = countTokens(text);
  const usage = { inputTokens, outputTokens };
  const id = echoId('chatcmpl-', text);
  if (flagAt(body, 'stream')) {
    const events = chatEvents({ id, object: 'chat.completion.chunk', created, model }, text, usageOption(body), usage);
    return { contentType: SSE, body: events, usage };
  }
  const answer = {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: openAiUsage(inputTokens, outputTokens),
  };
  return { contentType: JSON_TYPE, body: JSON.stringify(answer), usage };
}

function usageOption(body: JsonObject): boolean {
  const options = body.stream_options;
  return isObject(options) && options.include_usage === true;
}

function* chatEvents(
  head: JsonObject,
  text: string,
  includeUsage: boolean,
  usage: { inputTokens: number; outputTokens: number },
): Generator<string> {
  const none = includeUsage ? { usage: null } : {};
  const chunk = (delta: JsonObject, finish: string | null) =>
    sse({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...none });
  yield chunk({ role: 'assistant', content: '' }, null);
  for (const content of pieces(text)) yield chunk({ content }, null);
  yield chunk({}, 'stop');
  if (includeUsage) yield sse({ ...head, choices: [], usage: openAiUsage(usage.inputTokens, usage.outputTokens) });
  yield sse('[DONE]');
}

/** The older completions, whole or streamed: the echo of the prompt. */
export function echoCompletion(body: JsonObject, model: string, created: number): LocalAnswer {
  const prompt = Array.isArray(body.prompt) ? body.prompt[0] : body.prompt;
  if (typeof prompt !== 'string') refuse('prompt', 'is required: a text');
  const tokens = countTokens(prompt);
  const usage = { inputTokens: tokens, outputTokens: tokens };
  const head = { id: echoId('cmpl-', prompt), object: 'text_completion', created, model };
  const choice = (text: string, finish: string | null) => ({ text, index: 0, logprobs: null, finish_reason: finish });
  if (flagAt(body, 'stream')) {
    const events = completionEvents(head, prompt, choice, usageOption(body) ? openAiUsage(tokens, tokens) : null);
    return { contentType: SSE, body: events, usage };
  }
  const answer = { ...head, choices: [choice(prompt, 'stop')], usage: openAiUsage(tokens, tokens) };
  return { contentType: JSON_TYPE, body: JSON.stringify(answer), usage };
}

function* completionEvents(
  head: JsonObject,
  text: string,
  choice: (text: string, finish: string | null) => JsonObject,
  usage: JsonObject | null,
): Generator<string> {
  for (const piece of pieces(text)) yield sse({ ...head, choices: [choice(piece, null)] });
  yield sse({ ...head, choices: [choice('', 'stop')] });
  if (usage !== null) yield sse({ ...head, choices: [], usage });
  yield sse('[DONE]');
}
