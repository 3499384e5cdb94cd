import { DataSource } from 'typeorm';
import { NotFoundError } from '../../src/kernel/app-error.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { ReadDatabase } from '../../src/platform/database/read-database.js';
import { buildSettings } from '../support/build-settings.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

let database: TestDatabase;
let replica: TestDatabase;
let toReplica: TcpProxy;
let primary: DataSource;
let reads: ReadDatabase;
let now: number;

beforeAll(async () => {
  [database, replica] = await Promise.all([createEmptyDatabase(), createEmptyDatabase()]);
  for (const [each, text] of [
    [database, 'primary'],
    [replica, 'replica'],
  ] as const)
    await each.query(`CREATE TABLE place AS SELECT '${text}' AS name`);
  await database.query('CREATE TABLE newer AS SELECT 1 AS one');
  toReplica = await TcpProxy.start(replica.url);
  primary = await new DataSource({ ...servingOptions(database.url, 10), entities: [] }).initialize();
});

afterAll(async () => {
  await primary?.destroy();
  await toReplica?.stop();
  await Promise.all([database?.drop(), replica?.drop()]);
});

beforeEach(() => {
  now = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  const url = toReplica.through(replica.url);
  reads = new ReadDatabase(buildSettings({ DATABASE_URL: database.url, DATABASE_READ_URL: url }), primary);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await toReplica.heal();
  await reads.onApplicationShutdown();
});

const where = async () => {
  const [row] = await reads.run((source) => source.query('SELECT name FROM place'));
  return row.name as string;
};
const afterRest = () => {
  now += 5_000;
};

describe('ReadDatabase', () => {
  it('reads from the replica', async () => {
    expect([await where(), await where()]).toEqual(['replica', 'replica']);
    expect(reads.stats).toEqual({ primary: 0, replica: 2, failures: 0 });
  });

  it('reads from the primary where there is no replica', async () => {
    reads = new ReadDatabase(buildSettings({ DATABASE_URL: database.url }), primary);
    expect(await where()).toBe('primary');
  });

  it('that refuses from the start goes to the primary, and comes back by itself', async () => {
    await toReplica.refuse();
    expect(await where()).toBe('primary');
    await toReplica.heal();
    expect(await where()).toBe('primary');
    afterRest();
    expect([await where(), await where()]).toEqual(['replica', 'replica']);
    expect(reads.stats).toEqual({ primary: 2, replica: 2, failures: 1 });
  });

  it('that dies under load fails no read', async () => {
    expect(await where()).toBe('replica');
    const answers: string[] = [];
    let going = true;
    const readers = Array.from({ length: 8 }, async () => {
      while (going) answers.push(await where());
    });
    await toReplica.refuse();
    while (answers.filter((name) => name === 'primary').length < 20) await new Promise(setImmediate);
    await toReplica.heal();
    afterRest();
    const before = answers.length;
    while (!answers.slice(before).includes('replica')) await new Promise(setImmediate);
    going = false;
    await Promise.all(readers);
    expect(new Set(answers)).toEqual(new Set(['replica', 'primary']));
  });

  it('that does not answer is waited for two seconds, by one read at a time', async () => {
    expect(await where()).toBe('replica');
    toReplica.blackHole();
    const started = Date.now();
    expect(await where()).toBe('primary');
    expect(Date.now() - started).toBeLessThan(2_600);
    const rested = Date.now();
    expect(await where()).toBe('primary');
    expect(Date.now() - rested).toBeLessThan(500);

    afterRest();
    const probe = where();
    const besides = await Promise.all(Array.from({ length: 20 }, where));
    expect(besides).toEqual(Array.from({ length: 20 }, () => 'primary'));
    expect(Date.now() - rested).toBeLessThan(1_000);
    expect(await probe).toBe('primary');
  });

  it('that is behind the schema goes to the primary', async () => {
    expect(await reads.run((source) => source.query('SELECT one FROM newer'))).toEqual([{ one: 1 }]);
    expect(reads.stats).toMatchObject({ primary: 1, failures: 1 });
  });

  it('that cancels what takes too long says so, and is asked again', async () => {
    const slow = reads.run(({ manager }) => manager.query('SELECT pg_sleep(30)'));
    await expect(slow).rejects.toMatchObject({ code: '57014' });
    expect(await where()).toBe('replica');
    expect(reads.stats).toEqual({ primary: 0, replica: 1, failures: 0 });
  });

  it('passes on what the work itself throws', async () => {
    let times = 0;
    const refuse = (error: Error) =>
      reads.run(async () => {
        times += 1;
        throw error;
      });
    await expect(refuse(new NotFoundError('none'))).rejects.toThrow('none');
    await expect(refuse(new Error('a fault'))).rejects.toThrow('a fault');
    expect(times).toBe(2);
  });

  it('passes on what the primary says when both are away', async () => {
    await toReplica.refuse();
    const failing = reads.run((source) => source.query('SELECT nothing FROM nowhere'));
    await expect(failing).rejects.toMatchObject({ code: '42P01' });
  });
});
