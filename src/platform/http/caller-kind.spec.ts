import { CALLER_KINDS } from '../../kernel/request-record.js';
import { callerKindOf } from './caller-kind.js';

describe('callerKindOf', () => {
  it.each([
    ['OpenAI/Python 1.61.0', 'openai-python'],
    ['AsyncOpenAI/Python 1.61.0', 'openai-python'],
    ['OpenAI/JS 6.3.0', 'openai-node'],
    ['Anthropic/Python 0.40.0', 'anthropic-python'],
    ['AsyncAnthropic/Python 0.40.0', 'anthropic-python'],
    ['Anthropic/JS 0.33.1', 'anthropic-node'],
    ['google-genai-sdk/1.4.0 gl-node/v24', 'google-genai'],
    ['ai-sdk/openai/2.0.1 runtime/node.js/24', 'ai-sdk'],
    ['ai/5.0.1 ai-sdk/provider-utils/3.0.0 runtime/node.js/24', 'ai-sdk'],
    ['curl/8.5.0', 'curl'],
    ['python-requests/2.32', 'python'],
    ['python-httpx/0.27', 'python'],
    ['Python-urllib/3.12', 'python'],
    ['Python/3.12 aiohttp/3.9', 'python'],
    ['node', 'node'],
    ['undici', 'node'],
    ['Go-http-client/2.0', 'go'],
    ['Java-http-client/21', 'java'],
    ['okhttp/4.12', 'java'],
    ['Mozilla/5.0 (X11; Linux) AppleWebKit/537.36', 'browser'],
    ['sk-live-secret-as-user-agent', 'other'],
    ['', 'none'],
    [undefined, 'none'],
  ])('takes %p for %p', (userAgent, kind) => {
    expect(callerKindOf(userAgent)).toBe(kind);
    expect(CALLER_KINDS).toContain(callerKindOf(userAgent));
  });
});
