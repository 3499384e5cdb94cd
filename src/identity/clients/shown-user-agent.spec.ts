import { generateClientId, generateCredential } from './api-key.js';
import { shownUserAgent } from './shown-user-agent.js';

const apiKey = () => generateCredential(generateClientId('live')).apiKey.reveal();

describe('shownUserAgent', () => {
  it.each([
    'OpenAI/Python 2.8.1',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36',
    'curl/8.17.0',
    'ai/7.0.173 ai-sdk/openai/4.0.118 runtime/node.js/24 task-runner (risk-free)',
  ])('leaves %s as it is', (text) => {
    expect(shownUserAgent(text)).toBe(text);
  });

  it('has nothing to show of nothing', () => {
    expect([shownUserAgent(null), shownUserAgent(''), shownUserAgent('   ')]).toEqual([null, null, null]);
  });

  it('is cut to 256 characters', () => {
    expect(shownUserAgent('a b '.repeat(200))).toHaveLength(255);
  });

  it('shows visible ASCII alone', () => {
    expect(shownUserAgent('bot\u0000\r\n\tü\u202e💥x')).toBe('bot????????x');
  });

  it.each([
    ['one of our keys', () => `billing ${apiKey()} v1`, 'billing [redacted] v1'],
    ['one of our keys that was cut', () => `billing ${apiKey().slice(0, 30)}`, 'billing [redacted]'],
    ['a client secret alone', () => `x/${apiKey().slice(21)}`, 'x/[redacted]'],
    ["OpenAI's", () => 'x sk-proj-abc_DEF-123 y', 'x [redacted] y'],
    ["Anthropic's", () => 'x sk-ant-api03-abc', 'x [redacted]'],
    ['a bearer token', () => 'Authorization: bearer  short.1', 'Authorization: [redacted]'],
    ['a JWT', () => 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', '[redacted]'],
    ['any long random text', () => `k=${'aB3_-'.repeat(6)}`, 'k=[redacted]'],
  ])('masks %s', (_what, text, shown) => {
    expect(shownUserAgent(text())).toBe(shown);
  });

  it('masks what the cut would have left a part of', () => {
    const shown = shownUserAgent(`${'a b '.repeat(62)} ${apiKey()}`);
    expect(shown).not.toMatch(/cn_live/);
  });

  it('reads sixteen kilobytes in no time', () => {
    const started = performance.now();
    for (const unit of ['bearer ', 'eyJ.', 'sk-', 'cn_live', 'a-_', ' ', '\u0000'])
      shownUserAgent(unit.repeat(16_384 / unit.length));
    expect(performance.now() - started).toBeLessThan(250);
  });
});
