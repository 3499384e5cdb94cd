import { randomHex } from './request-id.js';

const VERSION_00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;
const LATER_VERSION = /^(?!ff|00)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_PARENT = '0'.repeat(16);

/**
 * The `traceparent` to pass on (W3C Trace Context): the caller's own when it is valid, read as version 00 when it is of
 * a later one, and a new unsampled trace when it is absent, malformed or sent twice.
 */
export function traceparentFor(incoming: string | string[] | undefined): string {
  if (typeof incoming === 'string' && incoming.length <= 512) {
    const match = VERSION_00.exec(incoming) ?? LATER_VERSION.exec(incoming);
    if (match !== null && match[1] !== NO_TRACE && match[2] !== NO_PARENT)
      return match[3] === undefined ? incoming : `00-${match[1]}-${match[2]}-${match[3]}`;
  }
  return `00-${randomHex(16)}-${randomHex(8)}-00`;
}
