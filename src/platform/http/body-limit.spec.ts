import { bodyLimitOf } from './body-limit.js';

const settings = { MAX_BODY_BYTES: 3_000_000, BYOT_MAX_BODY_BYTES: 2_000_000 };

describe('bodyLimitOf', () => {
  it.each([
    ['/v1/chat/completions', 'client', 3_000_000],
    ['/v1/chat/completions', 'byot', 2_000_000],
    ['/v1/messages', 'byot', 2_000_000],
    ['/v1beta/models/x:generateContent', 'client', 3_000_000],
    ['/api/v1/clients', 'client', 102_400],
    ['/api/v1/query', 'byot', 102_400],
    ['/v1', 'client', 102_400],
  ] as const)('%s for %s is %i bytes', (url, method, limit) => {
    expect(bodyLimitOf({ url }, method, settings)).toBe(limit);
  });
});
