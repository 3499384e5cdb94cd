import type { AttemptKeys } from '../../src/identity/sign-in/sign-in-attempts.repository.js';
import { isDatabaseUnavailable } from '../../src/platform/database/database-error.js';
import { type Ending, LockoutReplica } from '../support/lockout-replica.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const PER_DAY = 100;
const STRANGERS = 80;
const KNOWN = 20;
const DEVICE = 10;

let database: TestDatabase;
let replicas: LockoutReplica[];
let last = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  replicas = await Promise.all([1, 2, 3].map(() => LockoutReplica.start(database.url)));
});
afterAll(async () => {
  await Promise.all((replicas ?? []).map((each) => each.stop()));
  await database?.drop();
});

const replica = (index = 0) => replicas[index % replicas.length] as LockoutReplica;
const evaluated = () => replicas.reduce((sum, each) => sum + each.evaluated, 0);
beforeEach(() => {
  for (const each of replicas) each.evaluated = 0;
});

/** An account nobody tried before, from an address nobody had. */
function stranger(overrides: Partial<AttemptKeys> = {}): AttemptKeys {
  last += 1;
  return { account: `account ${last}`, address: `2001:db8::${last.toString(16)}/64`, device: null, ...overrides };
}

/** Time goes by: everything that happened is so much longer ago. */
async function later(seconds: number): Promise<void> {
  await database.query(
    `UPDATE sign_in_attempts SET at = at - make_interval(secs => $1), decided_at = decided_at - make_interval(secs => $1)`,
    [seconds],
  );
  // What the replicas believe for a second is forgotten by ones that start now.
  await Promise.all(replicas.map((each) => each.stop()));
  replicas = await Promise.all(replicas.map(() => LockoutReplica.start(database.url)));
}

async function inTurn(count: number, keys: AttemptKeys | ((index: number) => AttemptKeys), ending: Ending = 'wrong') {
  const outcomes = [];
  for (let index = 0; index < count; index += 1)
    outcomes.push(await replica(index).try(typeof keys === 'function' ? keys(index) : keys, ending));
  return outcomes;
}

function atOnce(count: number, keys: (index: number) => AttemptKeys, ending: Ending = 'wrong') {
  return Promise.all(Array.from({ length: count }, (_, index) => replica(index).try(keys(index), ending)));
}

const refusedOf = (outcomes: readonly unknown[]) => outcomes.filter((each) => typeof each === 'number');

describe('an account', () => {
  it('delays after the third wrong password: 1 s, doubling to 15 minutes', async () => {
    const keys = stranger();
    expect(refusedOf(await inTurn(3, keys))).toEqual([]);
    const waits: number[] = [];
    for (let failures = 3; failures < 15; failures += 1) {
      const wait = await replica().try(keys);
      if (typeof wait !== 'number') throw new Error('was let through');
      waits.push(wait);
      const rest = Math.min(wait, 30);
      await later(wait - rest);
      if (wait > rest) expect(await replica(1).try(keys)).toBeLessThanOrEqual(rest);
      await later(rest);
      expect(await replica(2).try(stranger({ account: keys.account }))).toMatchObject({ failures: failures + 1 });
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
  });

  it('has its delay ended by a success, and not its number of the day', async () => {
    const keys = stranger();
    await inTurn(3, keys);
    await later(1);
    await inTurn(1, keys);
    await later(2);
    expect(await replica().try(keys, 'right')).toMatchObject({ failures: 5, guesses: 5 });
    expect(await replica().try(keys)).toMatchObject({ failures: 1, guesses: 5 });
    expect(refusedOf(await inTurn(2, keys))).toEqual([]);
    expect(await replica().try(keys)).toBe(1);
  });

  it('has no more than its share of the day looked at, of a thousand at once over three replicas, and again and again', async () => {
    const account = stranger().account;
    const keys = () => stranger({ account });
    const outcomes = await atOnce(1_000, keys);
    expect(evaluated()).toBeLessThanOrEqual(10);
    expect(evaluated()).toBeGreaterThanOrEqual(3);
    expect(refusedOf(outcomes)).toHaveLength(1_000 - evaluated());
    let sum = evaluated();
    for (let round = 0; round < STRANGERS && sum < STRANGERS; round += 1) {
      await later(900);
      await atOnce(12, keys);
      expect(evaluated()).toBe(1);
      sum += evaluated();
      for (const each of replicas) each.evaluated = 0;
    }
    expect(sum).toBe(STRANGERS);
    await later(900);
    const [wait] = await atOnce(1, keys);
    expect(wait).toBeGreaterThan(7_200 - 60);
    expect(wait).toBeLessThanOrEqual(86_400);
    expect(evaluated()).toBe(0);
  }, 120_000);

  it('has a thousand looked at that are all begun before one is decided, no more than ten', async () => {
    const account = stranger().account;
    const held = replicas.map(({ attempts }) => attempts);
    const shares = { strangers: STRANGERS, known: KNOWN, device: DEVICE };
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => held[index % 3]?.reserve(stranger({ account }), shares)),
    );
    const verdicts = Map.groupBy(outcomes, (each) => each?.verdict);
    expect(verdicts.get('reserved')).toHaveLength(10);
    expect(verdicts.get('busy')).toHaveLength(990);
    const places = (verdicts.get('reserved') ?? []).map((each) => (each as { guesses: number }).guesses);
    expect(places.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('lets hundreds of right passwords in at once', async () => {
    const account = stranger().account;
    expect(refusedOf(await atOnce(200, () => stranger({ account }), 'right'))).toEqual([]);
    expect(await database.query('SELECT 1 FROM sign_in_attempts WHERE account = $1', [account])).toEqual([]);
  });

  it('counts a day of any 24 hours', async () => {
    const keys = stranger();
    await fill(keys, STRANGERS);
    expect(await replica().try(keys)).toBeGreaterThan(86_300);
    await later(86_400 - 30);
    expect(await replica().try(keys)).toBeLessThanOrEqual(30);
    await later(31);
    expect(await replica().try(keys)).toMatchObject({ guesses: 1 });
  });

  it('counts as wrong what a process died over', async () => {
    const keys = stranger();
    await inTurn(10, keys, 'dies');
    await later(61);
    expect(await replica().try(keys)).toBe(128 - 61);
    await later(128);
    expect(await replica().try(keys)).toMatchObject({ failures: 11, guesses: 11 });
  });

  it('makes others wait for what is under way, not for tomorrow, when the last guess of the day is', async () => {
    const keys = stranger();
    await fill(keys, STRANGERS - 1, true);
    const outcomes = await atOnce(6, () => keys, 'right');
    expect(refusedOf(outcomes)).toEqual([]);
    expect(await replica().try(keys)).toMatchObject({ guesses: STRANGERS });
    expect(await replica().try(keys)).toBeGreaterThan(86_000);
  });
});

describe('a known device', () => {
  it('is held up by no stranger, nor by another known one', async () => {
    const keys = stranger();
    await fill(keys, STRANGERS);
    const home = { ...keys, device: 'home' };
    const office = { ...keys, device: 'office' };
    for (let index = 0; index < 50; index += 1)
      expect(await replica(index).try(home, 'right')).toMatchObject({ failures: 1 });
    expect(refusedOf(await inTurn(3, home))).toEqual([]);
    expect(await replica().try(home)).toBe(1);
    expect(await replica().try(office, 'right')).toMatchObject({ failures: 1 });
    expect(await replica(1).try(home)).toMatchObject({ failures: 1, guesses: 4 });
  });

  it('has a share of its own, and all together theirs; with the strangers that is the number of the day', async () => {
    const keys = stranger();
    await fill(keys, STRANGERS);
    const guesses = [];
    for (const device of ['a', 'b', 'c']) {
      for (let index = 0; index < 15; index += 1) {
        guesses.push(await replica(index).try({ ...keys, device }));
        await later(900);
      }
    }
    expect(guesses.filter((each) => typeof each !== 'number')).toHaveLength(KNOWN);
    expect(guesses.slice(0, DEVICE).every((each) => typeof each !== 'number')).toBe(true);
    expect(guesses[DEVICE]).toBeGreaterThan(60_000);
    const [{ count } = { count: '' }] = await database.query<{ count: string }>(
      'SELECT count(*) FROM sign_in_attempts WHERE account = $1',
      [keys.account],
    );
    expect(Number(count)).toBe(PER_DAY);
  }, 60_000);

  it('has a thousand at once looked at within its share', async () => {
    const keys = { ...stranger(), device: 'home' };
    await atOnce(1_000, () => keys);
    expect(evaluated()).toBeLessThanOrEqual(DEVICE);
    expect(evaluated()).toBeGreaterThanOrEqual(3);
  });
});

describe('an address', () => {
  it('delays after the twentieth wrong password, whatever the accounts, and forgets within the hour', async () => {
    const { address } = stranger();
    const keys = () => stranger({ address });
    expect(refusedOf(await inTurn(20, keys))).toEqual([]);
    expect(await replica().try(keys())).toBe(1);
    await later(1);
    expect(refusedOf(await inTurn(1, keys))).toEqual([]);
    expect(await replica().try(keys())).toBe(2);
    expect(await replica().try(stranger({ address, device: 'home' }))).toMatchObject({ failures: 1 });
    expect(await replica().try(stranger())).toMatchObject({ failures: 1 });
    await later(3_600);
    expect(refusedOf(await inTurn(20, keys))).toEqual([]);
  });

  it('has no more than twenty of hundreds at once looked at', async () => {
    const { address } = stranger();
    await atOnce(300, () => stranger({ address }));
    expect(evaluated()).toBe(20);
  });

  it('is not charged for what was right, however many at once', async () => {
    const { address } = stranger();
    expect(refusedOf(await atOnce(200, () => stranger({ address }), 'right'))).toEqual([]);
    expect(refusedOf(await inTurn(20, () => stranger({ address })))).toEqual([]);
  });
});

describe('the day that an operator sets', () => {
  it('is kept to the guess when it is small', async () => {
    const five = await LockoutReplica.start(database.url, { SIGN_IN_GUESSES_PER_DAY: '5' });
    try {
      const keys = stranger();
      for (let index = 0; index < 30; index += 1) {
        await five.try(index % 2 ? keys : { ...keys, device: `d${index % 4}` });
        await database.query(
          `UPDATE sign_in_attempts SET at = at - interval '15 minutes', decided_at = decided_at - interval '15 minutes'`,
        );
      }
      expect(five.evaluated).toBe(5);
    } finally {
      await five.stop();
    }
  });
});

describe('cleaning up', () => {
  it('takes out what no counter looks at, and nothing else', async () => {
    const keys = stranger();
    await inTurn(2, keys);
    await later(86_401);
    await inTurn(1, keys);
    await replica().attempts.deleteExpired();
    const rows = await database.query('SELECT account FROM sign_in_attempts');
    expect(rows).toEqual([{ account: keys.account }]);
  });

  it('gives back what was never hashed', async () => {
    const keys = stranger();
    const attempt = await replica().try(keys, 'dies');
    if (typeof attempt === 'number') throw new Error('was refused');
    await replica().attempts.release(attempt.id);
    expect(await replica().try(keys)).toMatchObject({ failures: 1, guesses: 1 });
  });
});

describe('without PostgreSQL', () => {
  it('nobody is let through, and a whole line is told at once', async () => {
    const proxy = await TcpProxy.start(database.url);
    const cut = await LockoutReplica.start(proxy.through(database.url));
    try {
      const keys = stranger();
      expect(await cut.try(keys)).toMatchObject({ failures: 1 });
      proxy.blackHole();
      const started = performance.now();
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => cut.try(keys)));
      expect(performance.now() - started).toBeLessThan(6_000);
      for (const each of outcomes) {
        expect(each.status).toBe('rejected');
        expect(isDatabaseUnavailable((each as PromiseRejectedResult).reason)).toBe(true);
      }
      await proxy.heal();
    } finally {
      await proxy.stop();
      await cut.stop();
    }
  });
});

/** So many wrong passwords, a while ago. */
async function fill(keys: AttemptKeys, count: number, forgiven = false): Promise<void> {
  await database.query(
    `INSERT INTO sign_in_attempts (account, address, device, at, decided_at, forgiven)
     SELECT $1, 'elsewhere ' || n, $2, clock_timestamp(), clock_timestamp(), $4 FROM generate_series(1, $3::int) AS n`,
    [keys.account, keys.device, count, forgiven],
  );
}
