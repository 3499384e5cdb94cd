import type { LocalAnswer } from '../providers/provider.js';
import { isObject, type JsonObject } from '../request-body.js';
import { countTokens, echoId, objectsAt, pieces, readMessages, refuse, sse, textOf } from './echo-input.js';

/** How a Gemini answer is written: at once, as server-sent events, or as a JSON array that grows. */
export type GeminiForm = 'whole' | 'sse' | 'array';

/** Gemini's generateContent and streamGenerateContent. */
export function echoGemini(body: JsonObject, model: string, form: GeminiForm): LocalAnswer {
  const contents = objectsAt(body, 'contents');
  for (const [index, { parts }] of contents.entries())
    if (!Array.isArray(parts)) refuse(`contents[${index}].parts`, 'is required');
  const system = isObject(body.systemInstruction) ? textOf(body.systemInstruction.parts) : '';
  const { text, inputTokens } = readMessages(
    contents.map(({ role, parts }) => ({ role: role ?? 'user', parts })),
    'parts',
    system,
  );
  const usage = { inputTokens, outputTokens: countTokens(text) };
  const responseId = echoId('', text);
  const part = (piece: string, last: boolean) => ({
    candidates: [
      { content: { parts: [{ text: piece }], role: 'model' }, ...(last ? { finishReason: 'STOP' } : {}), index: 0 },
    ],
    usageMetadata: last
      ? {
          promptTokenCount: inputTokens,
          candidatesTokenCount: usage.outputTokens,
          totalTokenCount: inputTokens + usage.outputTokens,
        }
      : { promptTokenCount: inputTokens, totalTokenCount: inputTokens },
    modelVersion: model,
    responseId,
  });
  if (form === 'whole') return { contentType: 'application/json', body: JSON.stringify(part(text, true)), usage };
  const parts = streamed(text, part);
  return form === 'sse'
    ? { contentType: 'text/event-stream; charset=utf-8', body: asEvents(parts), usage }
    : { contentType: 'application/json', body: asArray(parts), usage };
}

function* streamed(text: string, part: (piece: string, last: boolean) => JsonObject): Generator<JsonObject> {
  let held: string | null = null;
  for (const piece of pieces(text)) {
    if (held !== null) yield part(held, false);
    held = piece;
  }
  yield part(held ?? '', true);
}

function* asEvents(parts: Iterable<JsonObject>): Generator<string> {
  for (const part of parts) yield sse(part);
}

function* asArray(parts: Iterable<JsonObject>): Generator<string> {
  let separator = '[';
  for (const part of parts) {
    yield separator + JSON.stringify(part);
    separator = ',\r\n';
  }
  yield ']';
}
