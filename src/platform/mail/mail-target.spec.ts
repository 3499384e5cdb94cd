import { readMailTarget } from './mail-target.js';

describe('readMailTarget', () => {
  it('reads a folder', () => {
    expect(readMailTarget('folder:.data/mail')).toEqual({ kind: 'folder', directory: '.data/mail' });
  });

  it.each([
    ['smtp://mail.example.com', { host: 'mail.example.com', port: 25, secure: false, auth: null, requireTLS: false }],
    ['smtps://mail.example.com', { host: 'mail.example.com', port: 465, secure: true, auth: null, requireTLS: false }],
    ['smtp://[::1]:2525', { host: '::1', port: 2525, secure: false, auth: null, requireTLS: false }],
    [
      'smtps://me%40example.com:p%2Fw@mail.example.com:10465',
      {
        host: 'mail.example.com',
        port: 10465,
        secure: true,
        auth: { user: 'me@example.com', pass: 'p/w' },
        requireTLS: false,
      },
    ],
  ])('reads %s', (url, expected) => {
    expect(readMailTarget(url)).toEqual({ kind: 'smtp', ...expected });
  });

  it('sends no password over a network in the clear', () => {
    expect(readMailTarget('smtp://me:pw@mail.example.com:587')).toMatchObject({ requireTLS: true });
    expect(readMailTarget('smtp://me:pw@127.0.0.1:587')).toMatchObject({ requireTLS: false });
  });

  it.each(['http://canary', 'smtp://', 'canary'])('refuses %s and does not repeat it', (url) => {
    expect(() => readMailTarget(url)).toThrow('MAIL_URL: must be');
    expect(() => readMailTarget(url)).not.toThrow('canary');
  });

  it('refuses an account that is not written as in a URL', () => {
    expect(() => readMailTarget('smtps://me:100%@mail.example.com')).toThrow('MAIL_URL: a % in the user');
  });
});
