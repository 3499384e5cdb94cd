// What the steps of a credential check cost, each on its own, in nanoseconds. Prints JSON; `main.mjs` runs it on the
// server's core.
import { createHmac, createSecretKey, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import bcrypt from 'bcryptjs';
import { LRUCache } from 'lru-cache';
import { ACCESS_CHECKS } from './access-checks.mjs';
import { built } from './built.mjs';

const BATCHES = 7;
const BATCH_MS = Number(process.argv[2] ?? 100);

const { HmacSha256 } = await built('identity/clients/hmac-sha256.js');
const { equalText } = await built('identity/clients/credential-seal.js');

const key = randomBytes(32);
const keyObject = createSecretKey(key);
const ours = new HmacSha256(key);
const text = `cn_live_${'0'.repeat(12)}|${'a'.repeat(30)}`;
const digest = ours.of(text);
const [left, right] = [Buffer.from(digest), Buffer.from(digest)];
const lru = new LRUCache({ max: 50_000, ttl: 300_000 });
for (let index = 0; index < 50_000; index++) lru.set(`cn_live_${index}`, { index });
const bcryptHash = bcrypt.hashSync('a'.repeat(30), 10);

let kept = 0;
const keep = (value) => {
  kept += value === undefined ? 0 : 1;
};

const PRIMITIVES = [
  ["createHmac('sha256', Buffer)", () => keep(createHmac('sha256', key).update(text).digest('base64url'))],
  ["createHmac('sha256', KeyObject)", () => keep(createHmac('sha256', keyObject).update(text).digest('base64url'))],
  ['HmacSha256 (src/identity/clients)', () => keep(ours.of(text))],
  ["crypto.hash('sha256', text, 'hex')", () => keep(hash('sha256', text, 'hex'))],
  ['timingSafeEqual, 43 bytes', () => keep(timingSafeEqual(left, right))],
  ['equalText (src), with two Buffers made', () => keep(equalText(digest, digest))],
  ['LRU get, 50,000 entries with a TTL', (index) => keep(lru.get(`cn_live_${index % 50_000}`))],
  ...ACCESS_CHECKS.map(([name, check]) => [name, (index) => keep(check(index))]),
  ['bcryptjs compare, cost 10', () => keep(bcrypt.compareSync('a'.repeat(30), bcryptHash))],
];

console.log(JSON.stringify(PRIMITIVES.map(([name, run]) => ({ name, nanoseconds: measure(run) }))));
if (kept === 0) throw new Error('Nothing ran.');

/** Median nanoseconds of one run, over batches of about `BATCH_MS`; those before are for the compiler. */
function measure(run) {
  let runs = 1;
  let elapsed = timeOf(run, runs);
  while (elapsed < BATCH_MS / 4) {
    runs *= 2;
    elapsed = timeOf(run, runs);
  }
  const times = Array.from({ length: BATCHES }, () => timeOf(run, runs)).toSorted((a, b) => a - b);
  return (times[BATCHES >> 1] * 1e6) / runs;
}

function timeOf(run, runs) {
  const started = performance.now();
  for (let index = 0; index < runs; index++) run(index);
  return performance.now() - started;
}
