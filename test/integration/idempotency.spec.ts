import { DataSource } from 'typeorm';
import { IdempotencyKeyInUseError, IdempotencyKeyReusedError } from '../../src/kernel/app-error.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { type Transaction, Transactions } from '../../src/platform/database/transactions.js';
import { AnswerSeal } from '../../src/platform/idempotency/answer-seal.js';
import { IdempotencyRepository } from '../../src/platform/idempotency/idempotency.repository.js';
import { IdempotencyService, type Mint } from '../../src/platform/idempotency/idempotency.service.js';
import { IdempotencyKeyEntity } from '../../src/platform/idempotency/idempotency-key.entity.js';
import type { IdempotentCall } from '../../src/platform/idempotency/idempotent-call.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { buildSettings } from '../support/build-settings.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const TEN_MINUTES_MS = 600_000;

let database: TestDatabase;
let clock: FrozenClock;
let replicas: { source: DataSource; service: IdempotencyService }[];
let calls = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE TABLE minted (number int)');
});
afterAll(() => database?.drop());

beforeEach(async () => {
  await database.query('TRUNCATE minted, idempotency_keys');
  clock = new FrozenClock();
  replicas = [await startReplica(), await startReplica()];
});
afterEach(() => Promise.all(replicas.map(({ source }) => source.destroy())));

async function startReplica(masterKey = 'a master key that only tests know of') {
  const source = new DataSource({ ...servingOptions(database.url, 4), entities: [IdempotencyKeyEntity] });
  await source.initialize();
  const seal = new AnswerSeal(buildSettings({ MASTER_KEY: masterKey }));
  const periodic = { every: () => undefined } as unknown as PeriodicService;
  const args = [new Transactions(source), new IdempotencyRepository(source), seal, new DatabaseClock(clock), periodic];
  const service = new IdempotencyService(...(args as ConstructorParameters<typeof IdempotencyService>));
  service.onModuleInit();
  return { source, service };
}

const callOf = (overrides: Partial<IdempotentCall> = {}): IdempotentCall => ({
  caller: 'client a',
  method: 'POST',
  route: '/things/:id',
  path: '/things/1',
  key: `key ${++calls}`,
  body: '{}',
  ...overrides,
});

/** Mints a number of its own each time that it is really done. */
const minting = (slowly: () => Promise<unknown> = async () => undefined) => {
  const number = ++calls;
  return (mint: Mint<number>) =>
    mint(async (transaction: Transaction) => {
      await transaction.query('INSERT INTO minted VALUES ($1)', [number]);
      await slowly();
      return number;
    });
};
const once = (call: IdempotentCall | null, run = minting(), replica = 0) =>
  (replicas[replica] as (typeof replicas)[number]).service.once(call, (number: number) => ({ number }), run);
const minted = async () => (await database.query<{ number: number }>('SELECT number FROM minted')).length;

describe('once', () => {
  it('just mints without a key', async () => {
    const [one, two] = [await once(null), await once(null)];
    expect([one.replayed, two.replayed]).toEqual([false, false]);
    expect(one.answer).not.toEqual(two.answer);
    expect(await minted()).toBe(2);
    expect(await database.query('SELECT 1 FROM idempotency_keys')).toEqual([]);
  });

  it('gives the same answer again, on every replica, for ten minutes from the commit, and never after', async () => {
    const call = callOf();
    const { answer, replayed } = await once(call);
    expect(replayed).toBe(false);
    for (const after of [0, TEN_MINUTES_MS - 1]) {
      clock.set(Date.UTC(2026, 0, 1) + after);
      for (const replica of [0, 1, 0]) expect(await once(call, minting(), replica)).toEqual({ answer, replayed: true });
    }
    clock.advance(1);
    const anew = await once(call, minting(), 1);
    expect(anew.replayed).toBe(false);
    expect(anew.answer).not.toEqual(answer);
    expect(await minted()).toBe(2);
    expect(await once(call)).toEqual({ answer: anew.answer, replayed: true });
  });

  it.each([
    ['caller', { caller: 'client b' }],
    ['method', { method: 'PUT' }],
    ['route', { route: '/others/:id' }],
    ['path', { path: '/things/2' }],
    ['key', { key: 'another' }],
  ])('knows another %s from this one', async (_what, other) => {
    const call = callOf();
    const { answer } = await once(call);
    const given = await once({ ...call, ...other, body: 'another' });
    expect(given.replayed).toBe(false);
    expect(given.answer).not.toEqual(answer);
  });

  it('refuses another body, now and while the first is under way', async () => {
    const call = callOf();
    await once(call);
    await expect(once({ ...call, body: '{"a":1}' })).rejects.toThrow(IdempotencyKeyReusedError);
    await expect(once({ ...call, body: '{"a":1}' }, minting(), 1)).rejects.toThrow(IdempotencyKeyReusedError);
    const second = callOf();
    const [first, other] = await Promise.allSettled([once(second), once({ ...second, body: '{"a":1}' })]);
    expect(first.status).toBe('fulfilled');
    expect(other).toMatchObject({ status: 'rejected', reason: expect.any(IdempotencyKeyReusedError) });
    expect(await minted()).toBe(2);
  });

  it('mints once for two hundred at once over two replicas', async () => {
    const call = callOf();
    const given = await Promise.all(Array.from({ length: 200 }, (_, index) => once(call, minting(), index % 2)));
    expect(new Set(given.map(({ answer }) => answer.number)).size).toBe(1);
    expect(given.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await minted()).toBe(1);
  });

  it('keeps nothing of what failed, and lets whoever waited try it', async () => {
    const call = callOf();
    const failing = once(
      call,
      minting(() => Promise.reject(new Error('no such client'))),
    );
    const waiting = once(call);
    await expect(failing).rejects.toThrow('no such client');
    expect(await waiting).toMatchObject({ replayed: false });
    expect(await minted()).toBe(1);
  });

  it('keeps nothing when the answer could not be stored', async () => {
    const call = callOf();
    await database.query('ALTER TABLE idempotency_keys ADD CONSTRAINT no_answer CHECK (length(answer) = 0) NOT VALID');
    await expect(once(call)).rejects.toMatchObject({ code: '23514' });
    await database.query('ALTER TABLE idempotency_keys DROP CONSTRAINT no_answer');
    expect(await minted()).toBe(0);
    expect((await once(call)).replayed).toBe(false);
  });

  it('says that it is in use when another replica takes longer than two seconds, and is given its answer then', async () => {
    const call = callOf();
    let finish: () => void = () => undefined;
    const slowly = () => new Promise<void>((resolve) => (finish = resolve));
    const first = once(call, minting(slowly));
    while ((await database.query(`SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'`)).length === 0);
    const refusal = await once(call, minting(), 1).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(IdempotencyKeyInUseError);
    expect(refusal).toMatchObject({ code: 'idempotency_key_in_use', retryAfterSeconds: 1 });
    const waiting = once(call, minting(), 1);
    finish();
    const { answer } = await first;
    expect(await waiting).toEqual({ answer, replayed: true });
    expect(await minted()).toBe(1);
  });

  it('says so too when the first of this process takes longer than five seconds', async () => {
    const call = callOf();
    let finish: () => void = () => undefined;
    const first = once(call, async (mint) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return minting()(mint);
    });
    await expect(once(call)).rejects.toThrow(IdempotencyKeyInUseError);
    finish();
    expect((await first).replayed).toBe(false);
  }, 15_000);

  it('neither gives nor mints what was sealed under another master key', async () => {
    const call = callOf();
    await once(call);
    await database.query(`UPDATE idempotency_keys SET answer = 'garbage'`);
    await expect(once(call)).rejects.toThrow(IdempotencyKeyInUseError);
    expect(await minted()).toBe(1);
  });

  it('is an error to mint nothing', async () => {
    await expect(once(callOf(), async () => 1)).rejects.toThrow('Nothing was minted.');
  });
});

describe('what is kept', () => {
  it('holds neither the key nor the answer, and is deleted when its time is over', async () => {
    const call = callOf({ key: 'a-key-to-be-looked-for' });
    await replicas[0]?.service.once(call, () => ({ api_key: 'a secret to be looked for' }), minting());
    const [row] = await database.query<{ row: string }>('SELECT t::text AS row FROM idempotency_keys t LIMIT 1');
    expect(row?.row).not.toContain('looked');
    await replicas[0]?.service.removeExpired();
    expect((await once(call)).replayed).toBe(true);
    clock.advance(TEN_MINUTES_MS);
    await replicas[0]?.service.removeExpired();
    expect(await database.query('SELECT 1 FROM idempotency_keys')).toEqual([]);
  });
});
