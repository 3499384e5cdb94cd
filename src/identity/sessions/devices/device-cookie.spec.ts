import { randomBytes } from 'node:crypto';
import { DEVICE_COOKIE, newDeviceId, readDeviceCookie, setDeviceCookie } from './device-cookie.js';

const key = randomBytes(32);
const id = newDeviceId();
const pair = setDeviceCookie(id, key).split(';', 1)[0] ?? '';
const read = (...lines: string[]) =>
  readDeviceCookie(
    lines.flatMap((line) => ['Cookie', line]),
    key,
  );

describe('the cookie of a device', () => {
  it('is kept for 400 days, for this host alone', () => {
    expect(setDeviceCookie(id, key)).toMatch(
      /^__Host-core-nest-device=[\w-]{22}\.[\w-]{43}; Path=\/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax$/,
    );
  });

  it('gives its id back', () => {
    expect(read(pair)).toBe(id);
    expect(read(`a=b; ${pair}; c=d`)).toBe(id);
  });

  it.each([
    ['none', 'a=b'],
    ['an empty one', `${DEVICE_COOKIE}=`],
    ['only an id', `${DEVICE_COOKIE}=${id}`],
    ['the mac of another', `${DEVICE_COOKIE}=${newDeviceId()}${pair.slice(pair.indexOf('.'))}`],
    ['something behind it', `${pair}x`],
    ['two', `${pair}; ${pair}`],
  ])('is not believed: %s', (_, line) => {
    expect(read(line)).toBeNull();
  });

  it('is not believed when another key signed it', () => {
    expect(read(setDeviceCookie(id, randomBytes(32)).split(';', 1)[0] ?? '')).toBeNull();
  });
});
