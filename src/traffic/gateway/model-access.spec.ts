import { UNRESTRICTED } from '../../../test/support/attempts.js';
import { buildSettings } from '../../../test/support/build-settings.js';
import type { AuthState, ClientAuth } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import { ModelNotAllowedError } from '../../kernel/provider-errors.js';
import { Secret } from '../../kernel/secret.js';
import { ModelAccess } from './model-access.js';
import { ModelResolver } from './model-resolver.js';
import { AnthropicProvider } from './providers/anthropic.provider.js';
import { EchoProvider } from './providers/echo.provider.js';
import { GeminiProvider } from './providers/gemini.provider.js';
import { OpenAiProvider } from './providers/openai.provider.js';

const settings = buildSettings({ MODEL_ALIASES: 'fast=openai/gpt-4o-mini,smart=anthropic/claude-opus-5' });
const providers = [
  new EchoProvider(new Clock()),
  new OpenAiProvider(settings),
  new AnthropicProvider(settings),
  new GeminiProvider(settings),
];
const resolver = new ModelResolver(providers, settings);
const access = new ModelAccess(resolver);

type Lists = Partial<Pick<ClientAuth, 'allowedModels' | 'allowedProviders'>>;
const client = (lists: Lists): AuthState => ({
  kind: 'client',
  method: 'client',
  owner: null,
  tokenId: null,
  clientId: 'c',
  tier: 'free',
  scopes: ['admin'],
  ...UNRESTRICTED,
  ...lists,
  providerToken: null,
});
const allows = (state: AuthState, asked: string) => access.allows(state, asked, resolver.resolve(asked));

describe('ModelAccess', () => {
  it.each<[string, Lists, string, boolean]>([
    ['no list', {}, 'openai/gpt-4o', true],
    ['the model itself', { allowedModels: ['openai/gpt-4o'] }, 'openai/gpt-4o', true],
    ['another model', { allowedModels: ['openai/gpt-4o'] }, 'openai/gpt-4o-mini', false],
    ['the model, asked by its bare name', { allowedModels: ['openai/gpt-4o'] }, 'gpt-4o', true],
    ['a bare name, asked in full', { allowedModels: ['gpt-4o'] }, 'openai/gpt-4o', true],
    ['the alias, asked by it', { allowedModels: ['fast'] }, 'fast', true],
    ['what the alias stands for, asked by it', { allowedModels: ['openai/gpt-4o-mini'] }, 'fast', true],
    ['the alias, asked past it', { allowedModels: ['fast'] }, 'openai/gpt-4o-mini', false],
    ['another alias', { allowedModels: ['fast'] }, 'smart', false],
    ['a whole provider', { allowedModels: ['openai/*'] }, 'openai/any/model:at-all', true],
    ['a whole provider, by alias', { allowedModels: ['openai/*'] }, 'fast', true],
    ['another whole provider', { allowedModels: ['openai/*'] }, 'smart', false],
    ['an empty list', { allowedModels: [] }, 'openai/gpt-4o', false],
    ['a name nobody serves', { allowedModels: ['nothing-of-that-name'] }, 'openai/gpt-4o', false],
    ['its provider', { allowedProviders: ['openai'] }, 'fast', true],
    ['another provider', { allowedProviders: ['anthropic', 'core-nest'] }, 'fast', false],
    ['no provider', { allowedProviders: [] }, 'core-nest/echo', false],
    ['the model but not the provider', { allowedModels: ['fast'], allowedProviders: ['gemini'] }, 'fast', false],
    ['both', { allowedModels: ['fast'], allowedProviders: ['openai'] }, 'fast', true],
  ])('%s', (_what, lists, asked, allowed) => {
    expect(allows(client(lists), asked)).toBe(allowed);
  });

  it('lets attributed tokens no further than the client, and a bare token everywhere', () => {
    const providerToken = { value: new Secret('t'), provider: null };
    const attributed = { ...client({ allowedModels: ['fast'] }), providerToken } as AuthState;
    expect(allows(attributed, 'smart')).toBe(false);
    expect(allows({ kind: 'byot', method: 'byot', providerToken }, 'smart')).toBe(true);
  });

  it('refuses by name', () => {
    const refused = () => access.assertAllowed(client({ allowedModels: ['fast'] }), 'smart', resolver.resolve('smart'));
    expect(refused).toThrow(ModelNotAllowedError);
    expect(refused).toThrow(expect.objectContaining({ status: 403, code: 'model_not_allowed' }));
  });

  it('answers anew for a list that has changed', () => {
    const lists = [['fast'], ['smart'], ['fast']].map((list) => Object.freeze(list));
    expect(lists.map((allowedModels) => allows(client({ allowedModels }), 'fast'))).toEqual([true, false, true]);
  });
});
