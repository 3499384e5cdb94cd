import fc from 'fast-check';
import { buildSettings } from '../../../test/support/build-settings.js';
import { Clock } from '../../kernel/clock.js';
import { ModelNotFoundError } from '../../kernel/provider-errors.js';
import { InvalidSettingsError } from '../../platform/config/load-settings.js';
import { ModelResolver } from './model-resolver.js';
import { AnthropicProvider } from './providers/anthropic.provider.js';
import { EchoProvider } from './providers/echo.provider.js';
import { GeminiProvider } from './providers/gemini.provider.js';
import { OpenAiProvider } from './providers/openai.provider.js';

function buildResolver(aliases = '') {
  const settings = buildSettings({ MODEL_ALIASES: aliases });
  return new ModelResolver(
    [
      new EchoProvider(new Clock()),
      new OpenAiProvider(settings),
      new AnthropicProvider(settings),
      new GeminiProvider(settings),
    ],
    settings,
  );
}

describe('ModelResolver', () => {
  it.each([
    ['core-nest/echo', 'core-nest/echo'],
    ['openai/gpt-4o-mini', 'openai/gpt-4o-mini'],
    ['openai/anything-at-all', 'openai/anything-at-all'],
    ['openai/org/model:tag', 'openai/org/model:tag'],
    ['anthropic/claude-opus-5', 'anthropic/claude-opus-5'],
    ['gpt-4o', 'openai/gpt-4o'],
    ['chatgpt-4o-latest', 'openai/chatgpt-4o-latest'],
    ['o3-mini', 'openai/o3-mini'],
    ['text-embedding-3-small', 'openai/text-embedding-3-small'],
    ['text-embedding-ada-002', 'openai/text-embedding-ada-002'],
    ['text-embedding-004', 'gemini/text-embedding-004'],
    ['gemini-embedding-001', 'gemini/gemini-embedding-001'],
    ['ft:gpt-4o-mini:org::id', 'openai/ft:gpt-4o-mini:org::id'],
    ['claude-opus-5', 'anthropic/claude-opus-5'],
    ['gemini-2.5-flash', 'gemini/gemini-2.5-flash'],
  ])('takes %s for %s', (asked, name) => {
    expect(buildResolver().resolve(asked).name).toBe(name);
  });

  it.each([
    '',
    '/',
    'echo',
    'core-nest',
    'core-nest/',
    'core-nest/echo/x',
    'core-nest/gpt-4o',
    'llama-3',
    'orca',
    'o',
    'OPENAI/gpt-4o',
    'nobody/gpt-4o',
    '/openai/gpt-4o',
    'openai//x',
    'openai/../x',
    'openai/.x',
    'openai/x?y',
    'openai/x#y',
    'openai/x%2Fy',
    'openai/x\\y',
    'openai/x y',
    'openai/x\n',
    'openai/é',
    '__proto__/x',
    'constructor/x',
    ' gpt-4o',
    `openai/${'x'.repeat(200)}`,
  ])('does not know %j', (asked) => {
    expect(() => buildResolver().resolve(asked)).toThrow(ModelNotFoundError);
  });

  it('lets an alias win over a family, and not lead to another alias', () => {
    const resolver = buildResolver('gpt-4o=core-nest/echo,fast=openai/gpt-4o');
    expect(resolver.resolve('gpt-4o').name).toBe('core-nest/echo');
    expect(resolver.resolve('fast').name).toBe('openai/gpt-4o');
  });

  it('refuses to start on an alias that leads nowhere', () => {
    expect(() => buildResolver('fast=nobody/x')).toThrow(InvalidSettingsError);
    expect(() => buildResolver('fast=nobody/x')).toThrow('MODEL_ALIASES: the model of "fast"');
  });

  it('never lets a name through that could change a path, a header or a log row', () => {
    const resolver = buildResolver();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (rest) => {
        const asked = `openai/${rest}`;
        if (!resolver.knows(asked)) return;
        const { name } = resolver.resolve(asked);
        expect(name).toMatch(/^[\w.:@+/-]{1,128}$/);
        expect(name).not.toMatch(/\/\/|\/\.|\/$/);
      }),
      { numRuns: 2000 },
    );
  });
});
