import { randomFillSync } from 'node:crypto';

const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;
/** How our keys and those of the providers begin: an id goes into logs, and a key sent as one must not. */
const KEY_LIKE = /cn_(?:live|test)_|\bsk-|\bAIza/;
const RANDOM_BYTES = 12;
const pool = Buffer.allocUnsafeSlow(RANDOM_BYTES * 512);
let used = pool.length;

/** `bytes` (at most 512 × 12) random bytes in hexadecimal, taken from a pool that is filled in one call. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used;
  used += bytes;
  return pool.toString('hex', from, used);
}

/** A new request id: `req_` and 96 random bits. */
export function newRequestId(): string {
  return `req_${randomHex(RANDOM_BYTES)}`;
}

/**
 * The id of a request: the caller's own `X-Request-Id` when it is 1 to 64 of `A-Za-z0-9._-` and does not look like a
 * key, ours otherwise. A header sent twice reaches this joined by a comma, which does not match.
 */
export function requestIdFor(incoming: string | string[] | undefined): string {
  return typeof incoming === 'string' && ACCEPTED.test(incoming) && !KEY_LIKE.test(incoming)
    ? incoming
    : newRequestId();
}
