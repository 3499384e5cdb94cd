import { shownDevice } from './shown-device.js';

describe('a device', () => {
  it.each([
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
      'Chrome 126 on Windows',
    ],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140 on Linux'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
      'Safari 17 on iOS',
    ],
    ['Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.16', 'Opera 12 on Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64)', 'Linux'],
    ['curl/8.5.0', 'curl 8'],
    ['python-requests/2.31 extra', 'python-requests 2'],
  ])('%s is shown as %s', (userAgent, shown) => {
    expect(shownDevice(userAgent)).toBe(shown);
  });

  it.each([null, '', ' ', 'node', 'Mozilla/5.0', '<script>/1.0', `${'a'.repeat(40)}/1.0`, 'cn_live_x/abc'])(
    '%p is not shown',
    (userAgent) => {
      expect(shownDevice(userAgent)).toBeNull();
    },
  );

  it('shows no more than plain characters of what it says', () => {
    const shown = shownDevice('Mozilla/5.0 (Linux; Android 14) Evil<b>\u202e"&/1.0 =cmd|x/9.9');
    expect(shown ?? '').toMatch(/^[\w .+()-]*$/);
  });

  it('is read in no time, however long it is', () => {
    const started = performance.now();
    for (const part of ['A', '/', ' ', '(', '; ', 'Version/1 ', 'Chrome/1.', 'rv:1 ', '\u0000', '1.'])
      shownDevice(`Mozilla/5.0 ${part.repeat(1_000_000)}`);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
