import { AUDIT_ACTIONS } from './audit-actions.js';
import { storedDetails } from './audit-details.js';

describe('storedDetails', () => {
  it('stores the listed names and nothing else', () => {
    const details = { tier: 'paid', scopes: ['admin'], client_secret: 'x', hashed_secret: 'y' };
    expect(storedDetails('client.create', details)).toEqual({ tier: 'paid', scopes: ['admin'] });
    expect(storedDetails('client.revoke', details as never)).toEqual({});
  });

  it('keeps an api key out even where text is stored', () => {
    const key = `cn_live_0123456789AB_${'a'.repeat(36)}`;
    const stored = storedDetails('client.create', { name: `my ${key}`, scopes: [key, key] });
    expect(stored).toEqual({ name: 'my [redacted]', scopes: ['[redacted]', '[redacted]'] });
  });

  it.each([
    `eyJhbGciOiJFUzI1NiJ9.${'a'.repeat(40)}.${'b'.repeat(86)}`,
    `cnr_${'a'.repeat(49)}`,
    `ott_${'a-_'.repeat(14)}x`,
  ])('keeps the token %s out as well', (token) => {
    expect(storedDetails('client.create', { name: `my ${token}!` })).toEqual({ name: 'my [redacted]!' });
  });

  it('stores what jsonb takes', () => {
    const stored = storedDetails('secret.expire', {
      hint: 'a\u0000b\ud800',
      days_left: Number.NaN,
      reason: 'x'.repeat(2_000),
      expires_at: null,
    });
    expect(stored).toEqual({ hint: 'ab\ufffd', days_left: null, reason: 'x'.repeat(512), expires_at: null });
    expect(
      storedDetails('rate_limit.set', { shadow: true, cost: 2, windows: Array.from({ length: 99 }, Number) }),
    ).toMatchObject({
      shadow: true,
      cost: 2,
    });
  });

  it('names actions noun.verb, and each detail once', () => {
    for (const [action, names] of Object.entries<readonly string[]>(AUDIT_ACTIONS)) {
      expect(action).toMatch(/^[a-z_]+\.[a-z_]+$/);
      expect(new Set(names).size).toBe(names.length);
      for (const name of names) expect(name).toMatch(/^[a-z_]+$/);
    }
    expect(AUDIT_ACTIONS['ip_rule.update']).toEqual([
      'cidr',
      'effect',
      'reason',
      'expires_at',
      'previous_effect',
      'previous_reason',
      'previous_expires_at',
    ]);
  });
});
