import type { CallerKind } from '../../kernel/request-record.js';

/** What a `User-Agent` begins with, most telling first. The rest of it is never looked at nor kept. */
const PREFIXES: readonly (readonly [prefix: string, kind: CallerKind])[] = [
  ['Mozilla/', 'browser'],
  ['OpenAI/Python', 'openai-python'],
  ['AsyncOpenAI/Python', 'openai-python'],
  ['OpenAI/JS', 'openai-node'],
  ['Anthropic/Python', 'anthropic-python'],
  ['AsyncAnthropic/Python', 'anthropic-python'],
  ['Anthropic/JS', 'anthropic-node'],
  ['google-genai-sdk/', 'google-genai'],
  ['ai-sdk/', 'ai-sdk'],
  ['ai/', 'ai-sdk'],
  ['curl/', 'curl'],
  ['python-', 'python'],
  ['Python', 'python'],
  ['python', 'python'],
  ['aiohttp/', 'python'],
  ['node', 'node'],
  ['undici', 'node'],
  ['axios/', 'node'],
  ['got ', 'node'],
  ['Go-http-client/', 'go'],
  ['Java', 'java'],
  ['okhttp/', 'java'],
  ['Apache-HttpClient/', 'java'],
];

/** The kind of caller a `User-Agent` names: one of a fixed list, so that none of its own text is ever stored. */
export function callerKindOf(userAgent: string | undefined): CallerKind {
  if (userAgent === undefined || userAgent === '') return 'none';
  for (const [prefix, kind] of PREFIXES) if (userAgent.startsWith(prefix)) return kind;
  return 'other';
}
