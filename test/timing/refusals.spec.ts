import { generateClientId } from '../../src/identity/clients/api-key.js';
import { startApp, type TestApp } from '../support/app.js';
import { wrongKeyOf } from '../support/insert-client.js';

const ROUNDS = 15;
const ROUNDS_AT_ONCE = 5;
const ATTEMPTS = 5;
/** A refusal of one kind may take so many times what one of another does. */
const RATIO = 1.4;

let app: TestApp;
let adminKey: string;
/** One key for each way of being refused. */
const keys = new Map<string, string>();

beforeAll(async () => {
  app = await startApp({ settings: { BCRYPT_COST: '8' } });
  adminKey = (await app.createClient({ scopes: ['admin'] })).apiKey;
  keys.set('an unknown id', wrongKeyOf(generateClientId('live')));
  keys.set('a wrong secret', wrongKeyOf((await made()).clientId));
  const used = await made();
  await refusalOf(used.apiKey, 200);
  keys.set('a wrong secret of a client in use', wrongKeyOf(used.clientId));
  const rotating = await made();
  for (let secret = 2; secret <= 5; secret++) {
    await manage('POST', `${rotating.clientId}/secrets`, { expire_previous_in_seconds: 3_600 });
  }
  keys.set('a wrong secret of a client with five', wrongKeyOf(rotating.clientId));
  await withClient('a disabled client', (id) => manage('PATCH', id, { status: 'disabled' }));
  await withClient('an expired client', (id) => inPast('UPDATE clients SET expires_at = $1 WHERE client_id = $2', id));
  await withClient('an expired secret', (id) =>
    inPast('UPDATE client_secrets SET expires_at = $1 WHERE client_id = $2', id),
  );
  await withClient('a revoked client', (id) => manage('DELETE', id));
});

afterAll(() => app?.stop());

/** A client made through the API, so that its hash costs what a new one costs. */
async function made(): Promise<{ clientId: string; apiKey: string }> {
  const response = await fetch(`${app.url}/api/v1/clients`, {
    method: 'POST',
    headers: { 'x-api-key': adminKey, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'to be refused' }),
  });
  expect(response.status).toBe(201);
  const { client_id: clientId, api_key: apiKey } = (await response.json()) as Record<string, string>;
  return { clientId: String(clientId), apiKey: String(apiKey) };
}

async function manage(method: string, clientId: string, body?: object): Promise<void> {
  const response = await fetch(`${app.url}/api/v1/clients/${clientId}`, {
    method,
    headers: { 'x-api-key': adminKey, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  expect(response.ok).toBe(true);
}

/** Two clients of the kind: one that was in use before, one that never was. */
async function withClient(kind: string, end: (clientId: string) => Promise<unknown>): Promise<void> {
  const [used, unused] = [await made(), await made()];
  await refusalOf(used.apiKey, 200);
  await Promise.all([end(used.clientId), end(unused.clientId)]);
  // A change made by SQL is seen at the next recheck; emptying Redis is the same without the wait.
  await app.redis?.client.del(`cn:{${used.clientId}}:credential`);
  keys.set(kind, unused.apiKey).set(`${kind} that was in use`, used.apiKey);
}

const inPast = (sql: string, clientId: string) => app.database.query(sql, [new Date(Date.now() - 1000), clientId]);

/** The whole answer but its date, asked for with an id of the caller's so that this is the same, too. */
async function refusalOf(key: string, expected = 401) {
  const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': key, 'x-request-id': 'same' } });
  expect(response.status).toBe(expected);
  const { date, ...headers } = Object.fromEntries(response.headers);
  expect(date).toBeDefined();
  return { status: response.status, headers, body: await response.text() };
}

async function milliseconds(step: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await step();
  return performance.now() - started;
}

/** What a quarter of the samples stay below: what else the machine does only ever adds to the others. */
function lowerQuartile(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 4)] ?? Number.NaN;
}

/** The usual time of each kind of refusal, their samples taken in turns. */
async function usualTimes(
  kinds: Iterable<[string, () => Promise<unknown>]>,
  rounds: number,
): Promise<Map<string, number>> {
  const samples = new Map([...kinds].map(([kind, step]) => [kind, { step, times: [] as number[] }]));
  for (let round = 0; round < rounds; round++)
    for (const { step, times } of samples.values()) times.push(await milliseconds(step));
  return new Map([...samples].map(([kind, { times }]) => [kind, lowerQuartile(times)]));
}

/** The kinds that take longer or shorter than the one in the middle of them all. */
function apartIn(times: Map<string, number>): string[] {
  const sorted = [...times.values()].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return [...times].flatMap(([kind, time]) => {
    if (time > middle * RATIO) return [`${kind} takes longer`];
    return time * RATIO < middle ? [`${kind} takes less time`] : [];
  });
}

/**
 * Measures until no kind was apart each time: what a busy machine does falls on another kind the next time, what the
 * code does falls on the same.
 */
async function expectAlike(steps: Iterable<[string, () => Promise<unknown>]>, rounds: number): Promise<void> {
  const kinds = [...steps];
  let apart = apartIn(await usualTimes(kinds, rounds));
  for (let attempt = 2; attempt <= ATTEMPTS && apart.length > 0; attempt++) {
    const again = new Set(apartIn(await usualTimes(kinds, rounds)));
    apart = apart.filter((each) => again.has(each));
  }
  expect(apart).toEqual([]);
}

describe('refusals', () => {
  it('are the same to the byte, the first time and later', async () => {
    const reference = await refusalOf(keys.get('a wrong secret') ?? '');
    expect(JSON.parse(reference.body)).toMatchObject({ code: 'invalid_api_key', request_id: 'same' });
    expect(reference.headers).toMatchObject({ 'www-authenticate': expect.stringContaining('Bearer') });
    expect(keys.size).toBe(12);
    for (const [kind, key] of [...keys, ...keys])
      expect({ kind, ...(await refusalOf(key)) }).toEqual({ kind, ...reference });
  });

  it('take the same time, one after the other', async () => {
    await expectAlike(
      [...keys].map(([kind, key]) => [kind, () => refusalOf(key)]),
      ROUNDS,
    );
  });

  it('take longer than what is refused without asking anybody', async () => {
    const wrong = keys.get('a wrong secret') ?? '';
    const times = await usualTimes(
      [
        ['malformed', () => refusalOf('malformed')],
        ['wrong', () => refusalOf(wrong)],
      ],
      ROUNDS,
    );
    expect(apartIn(times)).toEqual(['malformed takes less time']);
  });

  it('take the same time when one key is sent many times at once', async () => {
    const atOnce = (key: string) => () => Promise.all(Array.from({ length: 8 }, () => refusalOf(key)));
    await expectAlike(
      [...keys].map(([kind, key]) => [kind, atOnce(key)]),
      ROUNDS_AT_ONCE,
    );
  });

  it('take the same time when different keys of one id are sent at once', async () => {
    const ids = new Map([...keys].map(([kind, key]) => [kind, key.slice(0, 20)]));
    const atOnce = (id: string) => () => Promise.all(Array.from({ length: 3 }, () => refusalOf(wrongKeyOf(id))));
    await expectAlike(
      [...ids].map(([kind, id]) => [kind, atOnce(id)]),
      ROUNDS_AT_ONCE,
    );
  });
});
