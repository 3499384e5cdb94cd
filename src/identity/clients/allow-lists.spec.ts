import { type AllowLists, canonicalAddresses, isModelEntry, wideningList } from './allow-lists.js';

const lists = (overrides: Partial<AllowLists> = {}): AllowLists => ({
  allowedAddresses: null,
  allowedModels: null,
  allowedProviders: null,
  ...overrides,
});

describe('isModelEntry', () => {
  it.each([
    'openai/gpt-4o-mini',
    'openai/*',
    'core-nest/*',
    'fast',
    'gpt-4o-mini',
    'openai/ft:gpt-4o:org::id',
    'gemini/models/x',
  ])('takes %s', (text) => expect(isModelEntry(text)).toBe(true));

  it.each([
    '',
    '*',
    '/*',
    'unknown/*',
    'openai/gpt-*',
    'openai//x',
    'openai/../x',
    'a b',
    'openai/*/x',
    'a'.repeat(129),
    '%2e',
  ])('refuses %j', (text) => expect(isModelEntry(text)).toBe(false));
});

describe('canonicalAddresses', () => {
  it('spells each once', () => {
    expect(canonicalAddresses(['::ffff:192.0.2.7', '192.0.2.7/32', '2001:DB8::/32', '192.0.2.7'])).toEqual([
      '192.0.2.7',
      '2001:db8::/32',
    ]);
  });
});

describe('wideningList', () => {
  it.each<[string, Partial<AllowLists>, Partial<AllowLists>, string | null]>([
    ['no list over anything', {}, { allowedAddresses: ['0.0.0.0/0'] }, null],
    ['no list over no list', {}, {}, null],
    ['a list over no list', { allowedAddresses: ['10.0.0.0/8'] }, {}, 'allowed_addresses'],
    ['a range over a part', { allowedAddresses: ['10.0.0.0/8'] }, { allowedAddresses: ['10.1.0.0/16'] }, null],
    [
      'a range over a wider one',
      { allowedAddresses: ['10.1.0.0/16'] },
      { allowedAddresses: ['10.0.0.0/8'] },
      'allowed_addresses',
    ],
    [
      'a range over one of two',
      { allowedAddresses: ['10.0.0.0/8'] },
      { allowedAddresses: ['10.0.0.1', '11.0.0.1'] },
      'allowed_addresses',
    ],
    ['what cannot be read', { allowedAddresses: ['x'] }, { allowedAddresses: ['x'] }, 'allowed_addresses'],
    ['a wildcard over a model', { allowedModels: ['openai/*'] }, { allowedModels: ['openai/gpt-4o'] }, null],
    ['a wildcard over itself', { allowedModels: ['openai/*'] }, { allowedModels: ['openai/*'] }, null],
    ['a model over its wildcard', { allowedModels: ['openai/a'] }, { allowedModels: ['openai/*'] }, 'allowed_models'],
    ['a wildcard over another', { allowedModels: ['openai/*'] }, { allowedModels: ['openaix/a'] }, 'allowed_models'],
    ['a wildcard over an alias', { allowedModels: ['openai/*'] }, { allowedModels: ['fast'] }, 'allowed_models'],
    ['a list over no models', { allowedModels: ['fast'] }, {}, 'allowed_models'],
    ['a provider over itself', { allowedProviders: ['openai'] }, { allowedProviders: ['openai'] }, null],
    [
      'a provider over two',
      { allowedProviders: ['openai'] },
      { allowedProviders: ['openai', 'gemini'] },
      'allowed_providers',
    ],
    ['an empty list over itself', { allowedProviders: [] }, { allowedProviders: [] }, null],
    ['an empty list over one', { allowedProviders: [] }, { allowedProviders: ['openai'] }, 'allowed_providers'],
  ])('%s', (_what, outer, inner, widened) => {
    expect(wideningList(lists(outer), lists(inner))).toBe(widened);
  });
});
