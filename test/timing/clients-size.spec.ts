import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DataSource } from 'typeorm';
import { ClientEntity } from '../../src/identity/clients/client.entity.js';
import { ClientSecretEntity } from '../../src/identity/clients/client-secret.entity.js';
import { ALL_CLIENTS, ClientsListRepository } from '../../src/identity/clients/clients-list.repository.js';
import { ClientsListService } from '../../src/identity/clients/clients-list.service.js';
import { UserEntity } from '../../src/identity/users/user.entity.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import { buildSettings } from '../support/build-settings.js';
import { databaseOfClients } from '../support/fill-clients.js';
import type { TestDatabase } from '../support/test-database.js';

/** `CLIENT_ROWS=1000000` measures the size of a real installation; it takes some four minutes. */
const CLIENTS = Number(process.env.CLIENT_ROWS ?? 250_000);
const ROUNDS = 20;
const ATTEMPTS = 3;
const P95_MS = 50;
const DAY_MS = 86_400_000;
const MEMORY_BYTES = 16 * 1_048_576;

type Query = (round: number) => Record<string, string>;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
/** Ten characters that are in the name of one client. */
const nameOf = async (n: number) => {
  const [row] = await database.query<{ text: string }>(`SELECT left(md5('${n}'), 10) AS text`);
  return String(row?.text);
};
const idOf = (n: number) => `cn_live_${n.toString(16).padStart(12, '0')}`;

const QUERIES: readonly [what: string, query: Query, rows: 'full' | 'some' | 'none'][] = [
  ['everybody', () => ({}), 'full'],
  ['everybody, a long page', () => ({ limit: '200' }), 'full'],
  ['everybody, oldest first', () => ({ sort: 'created_at' }), 'full'],
  ['everybody by name', () => ({ sort: 'name' }), 'full'],
  ['a status of few', () => ({ status: 'disabled' }), 'full'],
  ['a status of most', () => ({ status: 'active' }), 'full'],
  ['a tier of few', () => ({ tier: 'gold' }), 'full'],
  ['a tier of few, by name', () => ({ tier: 'gold', sort: 'name' }), 'full'],
  ['a tier of nobody', (round) => ({ tier: `none${round}` }), 'none'],
  ['an environment and a tier', () => ({ environment: 'test', tier: 'free' }), 'full'],
  ['a tier that no test client has', () => ({ environment: 'test', tier: 'gold' }), 'none'],
  ['a week', (round) => ({ created_after: inDays(-30 - round), created_before: inDays(-23 - round) }), 'full'],
  ['a name', (round) => ({ name: `Customer ${exact[round]}` }), 'some'],
  ['a search for one', (round) => ({ search: String(exact[round]).toUpperCase() }), 'some'],
  ['a search for one, in words that many have', (round) => ({ search: `customer ${exact[round]}` }), 'some'],
  ['a search for some', (round) => ({ search: String(exact[round]).slice(0, 4) }), 'some'],
  ['a search for some, by name', (round) => ({ search: String(exact[round]).slice(0, 4), sort: 'name' }), 'some'],
  ['a search for many', () => ({ search: 'BILLING' }), 'full'],
  ['a search for three characters', (round) => ({ search: String(exact[round]).slice(0, 3) }), 'full'],
  ['a search for nobody', (round) => ({ search: `nobody of that name ${round}` }), 'none'],
  ['a search among few', () => ({ search: 'mobile', status: 'disabled' }), 'none'],
  ['an id', (round) => ({ search: idOf(4_000 + round) }), 'some'],
  ['the beginning of an id', (round) => ({ search: idOf(4_096 * (round + 1)).slice(0, -2) }), 'full'],
  ['who ends within a fortnight', () => ({ expiring_before: inDays(14) }), 'full'],
  ['who ends within half a day', () => ({ expiring_before: inDays(0.5) }), 'some'],
  ['who ends some day', () => ({ expiring_before: inDays(5_000), sort: 'name' }), 'full'],
  ['unused for a month', () => ({ unused_since: inDays(-30) }), 'full'],
  ['unused for a day', () => ({ unused_since: inDays(-1), sort: 'created_at' }), 'full'],
  ['unused since ever', () => ({ unused_since: inDays(-3_000) }), 'full'],
  [
    'unused, active and of a tier of few',
    () => ({ unused_since: inDays(-60), tier: 'gold', status: 'active' }),
    'full',
  ],
];

let database: TestDatabase;
let source: DataSource;
let lists: ClientsListService;
let exact: string[];
const figures: string[] = [];

beforeAll(async () => {
  const from = performance.now();
  database = await databaseOfClients(CLIENTS);
  figures.push(`filled, migrated and analysed in ${((performance.now() - from) / 1000).toFixed(0)} s`);
  const entities = [UserEntity, ClientEntity, ClientSecretEntity];
  source = await new DataSource({ ...servingOptions(database.url, 5), entities }).initialize();
  lists = new ClientsListService(new ClientsListRepository(new ReadDatabase(buildSettings(), source)));
  // Every fifth is a "Customer".
  exact = await Promise.all(Array.from({ length: ROUNDS }, (_, round) => nameOf(5 * (1_000 + round * 997))));
}, 480_000);

afterAll(async () => {
  console.info([`${CLIENTS} clients`, ...figures].join('\n'));
  await source?.destroy();
  await database?.drop();
});

const at = (times: readonly number[], share: number) => times[Math.ceil(times.length * share) - 1] ?? Number.NaN;

it.each(QUERIES)(`%s: p95 within ${P95_MS} ms`, async (what, query, expected) => {
  let measured = await measure(query);
  // Something else may have held the cores: what is slow by itself is slow each time.
  for (let again = 1; again < ATTEMPTS && measured.p95 > P95_MS; again++) measured = await measure(query);
  const { p50, p95, pages } = measured;
  figures.push(`${what.padEnd(45)} p50 ${p50.toFixed(1).padStart(6)}  p95 ${p95.toFixed(1).padStart(6)} ms`);
  if (expected === 'none') expect(new Set(pages)).toEqual(new Set([0]));
  else expect(Math.min(...pages)).toBeGreaterThanOrEqual(expected === 'full' ? 50 : 1);
  expect(p95).toBeLessThanOrEqual(P95_MS);
});

/** Asks once for each round, after one that is not counted. */
async function measure(query: Query) {
  const times: number[] = [];
  const pages: number[] = [];
  await lists.list(query(0), ALL_CLIENTS);
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    const { data } = await lists.list(query(round), ALL_CLIENTS);
    times.push(performance.now() - from);
    pages.push(data.length);
  }
  times.sort((a, b) => a - b);
  return { p50: at(times, 0.5), p95: at(times, 0.95), pages };
}

it(`the ten-thousandth page costs what the first does`, async () => {
  const times: number[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < 200; page++) {
    const from = performance.now();
    const answer = await lists.list({ limit: '200', sort: 'created_at', ...(cursor && { cursor }) }, ALL_CLIENTS);
    times.push(performance.now() - from);
    cursor = answer.next_cursor;
    expect(cursor).not.toBeNull();
  }
  const ends = [times.slice(5, 50), times.slice(-45)].map((each) =>
    at(
      each.sort((a, b) => a - b),
      0.5,
    ),
  );
  figures.push(
    `a page of 200, one of the first and one of the last of 200: ${ends.map((ms) => ms.toFixed(1)).join(' and ')} ms`,
  );
  expect(ends[1]).toBeLessThan((ends[0] as number) * 2 + 5);
});

it('memory stays flat however many pages are read', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const read = async (pages: number) => {
    let cursor: string | null = null;
    for (let page = 0; page < pages; page++) {
      const answer = await lists.list({ limit: '200', ...(cursor && { cursor }) }, ALL_CLIENTS);
      cursor = answer.next_cursor;
    }
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await read(50);
  const after = await read(400);
  figures.push(
    `heap after 50 and after 400 more pages of 200: ${[before, after].map((bytes) => (bytes / 1_048_576).toFixed(0)).join(' and ')} MB`,
  );
  expect(after - before).toBeLessThan(MEMORY_BYTES);
});
