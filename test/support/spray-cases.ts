import type { Canaries } from './canaries.js';
import type { Line } from './sprayed-app.js';

/** A request, `PATH` standing for a value in its path, and the statuses that say which outcome it had. */
export interface Outcome {
  readonly what: string;
  readonly target: string;
  readonly body: (canaries: Canaries) => string;
  /** What a client is answered, and what a caller with only a provider token is. */
  readonly client: number;
  readonly byot: number;
  readonly type?: string;
}

const CHAT = 'POST /v1/chat/completions';

/** A body that names a model and holds values in its text and in a field of its own. */
export function bodyFor(model: string, more: object = {}): (canaries: Canaries) => string {
  return (canaries) => {
    const messages = [{ role: 'user', content: canaries.plant(`the text (${model})`, 'content') }];
    return JSON.stringify({ model, messages, api_key: canaries.plant(`a field (${model})`, 'content'), ...more });
  };
}

const none = () => '';
const holding =
  (before: string, after = '') =>
  (canaries: Canaries) =>
    before + canaries.plant('a body', 'content') + after;

function outcome(
  what: string,
  target: string,
  body: Outcome['body'],
  client: number,
  byot = client,
  type?: string,
): Outcome {
  return { what, target, body, client, byot, ...(type && { type }) };
}

/** One request for each way that a request can end while nothing is away. */
export const OUTCOMES: readonly Outcome[] = [
  outcome('whoami', 'GET /api/v1/whoami', none, 200),
  outcome('echo', CHAT, bodyFor('core-nest/echo'), 200),
  outcome('echo streamed', CHAT, bodyFor('core-nest/echo', { stream: true }), 200),
  outcome('messages', 'POST /v1/messages', bodyFor('core-nest/echo', { max_tokens: 9 }), 200),
  outcome('a question', 'POST /api/v1/query', holding('{"query":"', '"}'), 200),
  outcome('a provider', CHAT, bodyFor('openai/fine'), 200),
  outcome('a stream that is cut', CHAT, bodyFor('openai/cuts', { stream: true }), 200),
  outcome('a provider failing', CHAT, bodyFor('openai/says-500'), 500),
  outcome('a provider refusing', CHAT, bodyFor('openai/says-401'), 502, 401),
  outcome('a provider silent', CHAT, bodyFor('openai/says-nothing'), 504),
  outcome('a provider breaking off', CHAT, bodyFor('openai/breaks-off'), 502),
  outcome('no key of the house', CHAT, bodyFor('anthropic/fine'), 503, 200),
  outcome('an unknown model', CHAT, bodyFor('nowhere/model'), 404),
  outcome('a body that is no JSON', CHAT, holding('{"model": "'), 400),
  outcome('a body that is no object', CHAT, holding('["', '"]'), 400),
  outcome('a body of another type', CHAT, holding(''), 415, 415, 'text/plain'),
  outcome('a body too large', CHAT, holding('', 'x'.repeat(100_001)), 413),
  outcome('a wrong field', 'POST /api/v1/query', holding('{"query":["', '"]}'), 400),
  outcome('an unknown field', 'POST /api/v1/query', holding('{"query":"x","', '":1}'), 400),
  outcome('a model of the path', 'GET /v1/models/PATH', none, 404),
  outcome('a model of the path, Gemini', 'POST /v1beta/models/PATH:generateContent', () => '{}', 404),
  outcome('a client of the path', 'GET /api/v1/clients/PATH', none, 404, 403),
  outcome('what is not allowed', 'PATCH /api/v1/clients/PATH', holding('{"name":"'), 403),
];

/** Requests that are refused before anyone looks who sent them. */
export const UNROUTED: readonly Outcome[] = [
  outcome('a path that is nowhere', 'GET /nowhere/PATH', none, 404),
  outcome('a path that cannot be decoded', 'GET /api/v1/clients/%PATH', none, 400),
  outcome('a path too long', `GET /api/v1/whoami/${'x'.repeat(9_000)}PATH`, none, 414),
];

/** Every place besides the identity and the body where a caller could put a credential, a value of its own in each. */
export function noise(canaries: Canaries, what: string): Line[] {
  const at = (place: string) => canaries.plant(`${place} (${what})`);
  return [
    ['Cookie', `session=${at('a cookie')}; api_key=${at('a second cookie')}`],
    ['User-Agent', `curl/8 ${at('the user agent')}`],
    ['Referer', `https://x/?key=${at('the referrer')}`],
    ['Origin', `https://${at('the origin')}.example`],
    ['X-Request-Id', `not an id: ${at('a malformed request id')}`],
    ['traceparent', `00-${at('a malformed trace')}-01`],
    ['tracestate', at('the state of a trace')],
    ['baggage', `key=${at('baggage')}`],
    ['X-Forwarded-For', at('a forwarding header')],
    ['Forwarded', `for=${at('the other forwarding header')}`],
    ['Proxy-Authorization', `Basic ${Buffer.from(at('the authorization of a proxy')).toString('base64')}`],
    ['X-Auth-Token', at('a header of others')],
    [`X-${at('the name of a header')}`, '1'],
    ['OpenAI-Organization', canaries.plant(`an option for the provider (${what})`, 'content')],
    ['Idempotency-Key', at('an idempotency key')],
  ];
}

/** The ways of presenting a key of ours. */
export function formsOf(key: string): [form: string, line: Line][] {
  const pair = key.replace(/^(.{20})_?/, '$1:');
  return [
    ['bearer', ['Authorization', `Bearer ${key}`]],
    ['basic', ['Authorization', `Basic ${Buffer.from(pair).toString('base64')}`]],
    ['X-API-Key', ['X-API-Key', key]],
    ['api-key', ['api-key', key]],
    ['x-goog-api-key', ['x-goog-api-key', key]],
  ];
}
