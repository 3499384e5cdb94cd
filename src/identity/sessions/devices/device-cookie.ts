import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readCookies, setCookie } from '../session-cookie.js';

export const DEVICE_COOKIE = '__Host-core-nest-device';

/** The longest that browsers keep a cookie (RFC 6265bis, 5.5): 400 days. */
const MAX_AGE_SECONDS = 400 * 86_400;
const ID_BYTES = 16;
const VALUE = /^([\w-]{22})\.([\w-]{43})$/;

/** A new device: nothing but a random id. */
export function newDeviceId(): string {
  return randomBytes(ID_BYTES).toString('base64url');
}

/**
 * The device a request says it comes from, from the raw header lines; null: it says nothing that we signed. Of two cookies
 * neither is believed.
 */
export function readDeviceCookie(rawHeaders: readonly string[], key: Buffer): string | null {
  const [value, ...others] = readCookies(rawHeaders, DEVICE_COOKIE);
  const [, id, mac] = VALUE.exec(others.length > 0 ? '' : (value ?? '')) ?? [];
  if (id === undefined || mac === undefined) return null;
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(id, key))) ? id : null;
}

/** The `Set-Cookie` of a device. It proves nothing but that the same browser signed in before. */
export function setDeviceCookie(deviceId: string, key: Buffer): string {
  return setCookie(DEVICE_COOKIE, `${deviceId}.${macOf(deviceId, key)}`, MAX_AGE_SECONDS);
}

function macOf(deviceId: string, key: Buffer): string {
  return createHmac('sha256', key).update(deviceId).digest('base64url');
}
