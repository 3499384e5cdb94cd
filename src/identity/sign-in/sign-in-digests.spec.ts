import { buildSettings } from '../../../test/support/build-settings.js';
import { SignInDigests } from './sign-in-digests.js';

describe('SignInDigests', () => {
  const digests = new SignInDigests(buildSettings());

  it('is the same for the same, and for nothing else', () => {
    const account = digests.account('a@example.test');
    expect(account).toMatch(/^[\w-]{43}$/);
    expect(digests.account('a@example.test')).toBe(account);
    const all = [
      account,
      digests.account('b@example.test'),
      digests.device(account, 'x'),
      digests.device(account, 'y'),
      digests.device(digests.account('b@example.test'), 'x'),
      digests.withinSession(account),
      digests.withinSession(digests.account('b@example.test')),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('hangs on the master key', () => {
    const others = new SignInDigests(buildSettings({ MASTER_KEY: 'another master key that only tests know of' }));
    expect(others.account('a@example.test')).not.toBe(digests.account('a@example.test'));
  });

  it('takes any text', () => {
    expect(digests.account('\ud800')).toMatch(/^[\w-]{43}$/);
  });
});
