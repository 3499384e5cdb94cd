import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import type { PeriodicService } from '../../platform/jobs/periodic.service.js';
import type { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { SecretUses } from './secret-uses.js';
import type { SecretUse, SecretUsesRepository } from './secret-uses.repository.js';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** The uses of one process over a table that takes what it is given, unless it is away or a row is locked. */
function setUp() {
  const clock = { time: NOW, now: () => clock.time };
  const table = {
    away: false,
    locked: [] as string[],
    statements: [] as (readonly SecretUse[])[],
    async record(uses: readonly SecretUse[]) {
      if (table.away) throw new Error('connection refused');
      table.statements.push(uses);
      return uses.map(({ secretId }) => secretId).filter((id) => table.locked.includes(id));
    },
  };
  const jobs: string[] = [];
  const uses = new SecretUses(
    clock as unknown as DatabaseClock,
    table as unknown as SecretUsesRepository,
    { every: (name: string) => jobs.push(name) } as unknown as PeriodicService,
  );
  return { uses, clock, table, jobs };
}

const from = (address: string, userAgent: string | null = null) => ({ address, userAgent }) as AuthAttempt;

describe('note', () => {
  it('is written with the next flush, in one statement for all', async () => {
    const { uses, table } = setUp();
    uses.note('a', from('192.0.2.1', 'curl/8'));
    uses.note('b', from('192.0.2.2'));
    expect(table.statements).toEqual([]);
    await uses.flush();
    expect(table.statements).toEqual([
      [
        { secretId: 'a', usedAt: new Date(NOW), address: '192.0.2.1', userAgent: 'curl/8' },
        { secretId: 'b', usedAt: new Date(NOW), address: '192.0.2.2', userAgent: null },
      ],
    ]);
    await uses.flush();
    expect(table.statements).toHaveLength(1);
  });

  it('is taken once a minute per secret', async () => {
    const { uses, clock, table } = setUp();
    for (const at of [0, 1, MINUTE - 1, MINUTE, MINUTE + 1]) {
      clock.time = NOW + at;
      uses.note('a', from('192.0.2.1'));
      await uses.flush();
    }
    expect(table.statements.map(([use]) => use?.usedAt.getTime())).toEqual([NOW, NOW + MINUTE]);
  });

  it('does not read the user agent of a use that is not taken', () => {
    const { uses } = setUp();
    uses.note('a', from('192.0.2.1'));
    const attempt = {
      address: '192.0.2.1',
      get userAgent(): string {
        throw new Error('read');
      },
    } as AuthAttempt;
    expect(() => uses.note('a', attempt)).not.toThrow();
  });

  it('goes on when the clock is set back', async () => {
    const { uses, clock, table } = setUp();
    uses.note('a', from('192.0.2.1'));
    clock.time = NOW - 2 * MINUTE;
    uses.note('a', from('192.0.2.2'));
    await uses.flush();
    expect(table.statements[0]).toMatchObject([{ address: '192.0.2.2' }]);
  });

  it('masks a key that somebody sends as its user agent', async () => {
    const { uses, table } = setUp();
    uses.note('a', from('192.0.2.1', 'sk-proj-0123456789'));
    await uses.flush();
    expect(table.statements[0]).toMatchObject([{ userAgent: '[redacted]' }]);
  });

  it('is bounded in number while nothing can be written, and takes the rest later', async () => {
    const { uses, table } = setUp();
    table.away = true;
    for (let id = 0; id < 60_000; id++) uses.note(`s${id}`, from('192.0.2.1'));
    expect(uses.waiting).toBe(50_000);
    await expect(uses.flush()).rejects.toThrow('connection refused');
    expect(uses.waiting).toBe(50_000);
    table.away = false;
    for (let flush = 0; flush < 5; flush++) await uses.flush();
    expect(table.statements.map((statement) => statement.length)).toEqual(Array(5).fill(10_000));
    for (let id = 50_000; id < 60_000; id++) uses.note(`s${id}`, from('192.0.2.1'));
    expect(uses.waiting).toBe(10_000);
  });

  it('forgets the secrets noted longest ago, two hundred thousand at most are known', async () => {
    const { uses } = setUp();
    for (let round = 0; round < 30; round++) {
      for (let id = 0; id < 10_000; id++) uses.note(`${round} ${id}`, from('192.0.2.1'));
      await uses.flush();
    }
    uses.note('29 0', from('192.0.2.1'));
    expect(uses.waiting).toBe(0);
    uses.note('0 0', from('192.0.2.1'));
    expect(uses.waiting).toBe(1);
  });
});

describe('flush', () => {
  it('keeps what could not be written, unless there is something newer', async () => {
    const { uses, clock, table } = setUp();
    uses.note('a', from('192.0.2.1'));
    uses.note('b', from('192.0.2.1'));
    table.away = true;
    const failing = uses.flush();
    clock.time = NOW + MINUTE;
    uses.note('a', from('192.0.2.9'));
    await expect(failing).rejects.toThrow('connection refused');
    table.away = false;
    await uses.flush();
    expect(table.statements[0]).toMatchObject([
      { secretId: 'a', address: '192.0.2.9' },
      { secretId: 'b', address: '192.0.2.1' },
    ]);
  });

  it('tries again what others held locked', async () => {
    const { uses, table } = setUp();
    uses.note('a', from('192.0.2.1'));
    uses.note('b', from('192.0.2.1'));
    table.locked = ['b'];
    await uses.flush();
    table.locked = [];
    await uses.flush();
    expect(table.statements[1]).toMatchObject([{ secretId: 'b' }]);
    expect(uses.waiting).toBe(0);
  });

  it('runs periodically, and before the process ends, which nothing keeps from ending', async () => {
    const { uses, table, jobs } = setUp();
    uses.onModuleInit();
    expect(jobs).toEqual(['note-secret-uses']);
    uses.note('a', from('192.0.2.1'));
    await uses.beforeApplicationShutdown();
    expect(table.statements).toHaveLength(1);
    table.away = true;
    uses.note('b', from('192.0.2.1'));
    await expect(uses.beforeApplicationShutdown()).resolves.toBeUndefined();
  });
});
