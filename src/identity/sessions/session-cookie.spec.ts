import { hash } from 'node:crypto';
import { AmbiguousCredentialsError } from '../../kernel/app-error.js';
import { InvalidSessionError } from '../../kernel/identity-errors.js';
import { newId } from '../../kernel/ids.js';
import { Secret } from '../../kernel/secret.js';
import {
  clearSessionCookie,
  hashOfSecret,
  isSecretOf,
  readCookies,
  readSessionCookie,
  SESSION_COOKIE,
  setSessionCookie,
} from './session-cookie.js';

const SECRET = Buffer.alloc(32, 7).toString('base64url');
const USER = newId('usr');
const SESSION = newId('ses');
const VALUE = `${USER}.${SESSION}.${SECRET}`;
const PAIR = `${SESSION_COOKIE}=${VALUE}`;

const read = (...lines: string[]) => readSessionCookie(lines.flatMap((line) => ['Cookie', line]));

describe('the cookie of a session is read', () => {
  it.each([
    ['alone', PAIR],
    ['first', `${PAIR}; other=1`],
    ['last', `other=1; ${PAIR}`],
    ['between, without blanks', `other=1;${PAIR};more=2`],
    ['after a tab', `other=1;\t${PAIR}`],
    ['with blanks behind it', `${PAIR}  ; other=1`],
    ['beside one whose value names it', `x=${SESSION_COOKIE}; ${PAIR}; y=${SESSION_COOKIE}=z`],
    ['beside one whose name ends like it', `x${SESSION_COOKIE}=1; ${PAIR}`],
    ['beside one whose name begins like it', `${SESSION_COOKIE}-2=1; ${PAIR}`],
    ['behind a quote that another left open', `x="1; ${PAIR}; y=2"`],
  ])('%s', (_, line) => {
    const cookie = read(line);
    expect({ ...cookie, secret: cookie?.secret.reveal() }).toEqual({
      userId: USER,
      sessionId: SESSION,
      secret: SECRET,
    });
  });

  it('from any line of the header, whatever its case', () => {
    expect(readSessionCookie(['Host', 'a', 'cookie', 'a=b', 'COOKIE', PAIR])?.sessionId).toBe(SESSION);
    expect(readSessionCookie(['Host', 'a', 'X-Cooky', PAIR])).toBeNull();
  });

  it.each([
    ['no cookie', 'other=1'],
    ['another case', `${SESSION_COOKIE.toLowerCase()}=${VALUE}`],
    ['percent-encoded', `${SESSION_COOKIE.replace('_', '%5F')}=${VALUE}`],
    ['a blank before the equals sign', `${SESSION_COOKIE} =${VALUE}`],
    ['no name before it', `=${PAIR}`],
    ['only its name', SESSION_COOKIE],
  ])('not: %s', (_, line) => {
    expect(read(line)).toBeNull();
  });

  it.each([
    ['empty', ''],
    ['quoted', `"${VALUE}"`],
    ['too long', `${VALUE}A`],
    ['megabytes', 'A'.repeat(1_000_000)],
    ['of two parts', `${USER}.${SESSION}${SECRET}A`],
    ['of four parts', `${USER}.${SESSION}.${SECRET.slice(0, 20)}.${SECRET.slice(21)}`],
    ['with the ids the other way round', `${SESSION}.${USER}.${SECRET}`],
    ['with another user prefix', `ses${USER.slice(3)}.${SESSION}.${SECRET}`],
    ['with spare bits set in its last digit', `${VALUE.slice(0, -1)}B`],
    ['in another alphabet', `${VALUE.slice(0, -2)}+c`],
    ['percent-encoded', `${USER}.${SESSION}.%41${SECRET.slice(3)}`],
  ])('and refused when its value is %s', (_, value) => {
    expect(() => read(`${SESSION_COOKIE}=${value}`)).toThrow(InvalidSessionError);
  });

  it('and refused when it stands there twice, alike or not, in one line or in two', () => {
    const other = `${SESSION_COOKIE}=${USER}.${newId('ses')}.${SECRET}`;
    for (const second of [PAIR, other, `${SESSION_COOKIE}=`]) {
      expect(() => read(`${PAIR}; ${second}`)).toThrow(AmbiguousCredentialsError);
      expect(() => read(PAIR, second)).toThrow(`The cookie ${SESSION_COOKIE} was sent twice. Send it once.`);
    }
  });
});

describe('other cookies', () => {
  it('are read by their name', () => {
    expect(readCookies(['Cookie', 'a=1; b=2=3'], 'b')).toEqual(['2=3']);
    expect(readCookies(['Cookie', 'a=1; b=2', 'cookie', 'b=3'], 'b')).toEqual(['2', '3']);
    expect(readCookies(['Cookie', 'a=1; b=2=3'], 'c')).toEqual([]);
    expect(readCookies(['Cookie'], 'c')).toEqual([]);
  });
});

describe('the cookie of a session is set', () => {
  const cookie = { userId: USER, sessionId: SESSION, secret: new Secret(SECRET) };

  it('for this host alone, by TLS alone, out of reach of scripts and of the forms of others', () => {
    expect(setSessionCookie(cookie, 60)).toBe(
      `__Host-core-nest-session=${VALUE}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax`,
    );
  });

  it('until the browser is closed', () => {
    expect(setSessionCookie(cookie, null)).not.toMatch(/Max-Age|Expires|Domain/i);
  });

  it('and taken back', () => {
    expect(clearSessionCookie()).toBe('__Host-core-nest-session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax');
  });
});

describe('the secret of a session', () => {
  const secret = new Secret(SECRET);

  it('is kept as its SHA-256', () => {
    expect(hashOfSecret(secret)).toBe(hash('sha256', SECRET, 'base64url'));
  });

  it('is the one of its hash, and of no other', () => {
    expect(isSecretOf(secret, hashOfSecret(secret))).toBe(true);
    for (const other of [null, '', hashOfSecret(new Secret('other')), `${hashOfSecret(secret)}=`])
      expect(isSecretOf(secret, other)).toBe(false);
  });
});
