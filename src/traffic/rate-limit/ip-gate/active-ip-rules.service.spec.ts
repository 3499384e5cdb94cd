import { FrozenClock } from '../../../../test/support/frozen-clock.js';
import type { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import type { Change } from '../../../platform/replicas/change.js';
import type { ChangeFeed } from '../../../platform/replicas/change-feed.service.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { ActiveIpRules } from './active-ip-rules.service.js';
import type { MatchedRule } from './ip-rule-matcher.js';
import type { IpRulesRepository } from './ip-rules.repository.js';

const ADDRESS = '203.0.113.7';

function build() {
  const clock = new FrozenClock();
  const table = new Map<string, MatchedRule>();
  const state = { away: false, reads: [] as string[][], removed: 0 };
  /** A read sees the table when it is sent, and answers when it is let go. */
  let gate: Promise<void> = Promise.resolve();
  const read = async (rows: MatchedRule[]) => {
    const { away } = state;
    await gate;
    if (away) throw new Error('away');
    return rows;
  };
  const repository = {
    findInForce: () => read([...table.values()]),
    findDeciding: (ids: readonly string[]) => {
      state.reads.push([...ids]);
      return read([...table.values()].filter(({ id }) => ids.includes(id)));
    },
    removeExpired: async () => {
      state.removed += 1;
    },
  };
  let apply: (change: Change) => void | Promise<void> = () => undefined;
  let resync: () => void | Promise<void> = () => undefined;
  const feed = {
    on: (_topic: string, listener: typeof apply) => {
      apply = listener;
    },
    onResync: (listener: typeof resync) => {
      resync = listener;
    },
  };
  const jobs = new Map<string, () => Promise<unknown>>();
  const periodic = { every: (name: string, _ms: number, work: () => Promise<unknown>) => jobs.set(name, work) };
  const rules = new ActiveIpRules(
    repository as unknown as IpRulesRepository,
    feed as unknown as ChangeFeed,
    new DatabaseClock(clock),
    periodic as unknown as PeriodicService,
  );
  rules.onModuleInit();
  const put = (id: string, overrides: Partial<MatchedRule> = {}) =>
    table.set(id, { id, cidr: `${ADDRESS}/32`, action: 'block', source: 'manual', expiresAt: null, ...overrides });
  const announce = async (subject: string, version: string | null = null) =>
    apply({ id: '1', topic: 'ip_rules', subject, version });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return () => {
      gate = Promise.resolve();
      resolve();
    };
  };
  return { rules, clock, table, state, put, announce, hold, jobs, resync: async () => resync() };
}

describe('ActiveIpRules', () => {
  it('takes over what is announced, and lets go of what is gone', async () => {
    const { rules, put, table, announce } = build();
    expect(rules.blocks(ADDRESS)).toBe(false);
    put('one');
    await announce('one');
    expect(rules.blocks(ADDRESS)).toBe(true);
    expect(rules.count()).toEqual({ allow: 0, block: 1 });
    table.delete('one');
    await announce('one');
    expect(rules.blocks(ADDRESS)).toBe(false);
    put('two');
    await announce('two');
    table.delete('two');
    await announce('two', '0');
    expect(rules.blocks(ADDRESS)).toBe(false);
  });

  it('reads all of them when asked to, and when all may have changed', async () => {
    const { rules, put, table, announce, resync } = build();
    put('one');
    await resync();
    expect(rules.blocks(ADDRESS)).toBe(true);
    table.clear();
    put('two', { action: 'allow' });
    await announce('*');
    expect(rules.blocks(ADDRESS)).toBe(false);
    expect(rules.allows(ADDRESS)).toBe(true);
    expect(rules.inForce(ADDRESS).map(({ id }) => id)).toEqual(['two']);
  });

  it('reads many changes at once in few statements', async () => {
    const { rules, put, announce, state } = build();
    const ids = Array.from({ length: 100 }, (_, index) => `rule ${index}`);
    for (const [index, id] of ids.entries()) put(id, { cidr: `203.0.113.${index}/32` });
    await Promise.all(ids.map((id) => announce(id)));
    expect(state.reads.length).toBeLessThanOrEqual(2);
    expect(rules.count().block).toBe(100);
  });

  it('never lets an older reading overwrite a newer one', async () => {
    const { rules, put, announce, resync, hold } = build();
    put('one', { action: 'allow' });
    const release = hold();
    const older = resync();
    await Promise.resolve();
    put('one', { action: 'block' });
    const newer = announce('one');
    release();
    await Promise.all([older, newer]);
    expect(rules.blocks(ADDRESS)).toBe(true);
  });

  it('confirms nothing that could not be read, of all that wait for it, and reads it the next time', async () => {
    const { rules, put, announce, state } = build();
    put('one');
    put('two', { cidr: '198.51.100.1/32' });
    state.away = true;
    const outcomes = await Promise.allSettled([announce('one'), announce('two')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(rules.blocks(ADDRESS)).toBe(false);
    state.away = false;
    await announce('two');
    expect([rules.blocks(ADDRESS), rules.blocks('198.51.100.1')]).toEqual([true, true]);
  });

  it('keeps what it has while PostgreSQL is away', async () => {
    const { rules, put, resync, state } = build();
    put('one');
    await resync();
    state.away = true;
    await expect(resync()).rejects.toThrow('away');
    expect(rules.blocks(ADDRESS)).toBe(true);
  });

  it('ends rules by themselves, and forgets them', async () => {
    const { rules, clock, put, resync, jobs, state } = build();
    put('one', { expiresAt: clock.now() + 1_000 });
    put('two', { cidr: '198.51.100.1/32', action: 'allow' });
    await resync();
    expect(rules.blocks(ADDRESS)).toBe(true);
    clock.advance(1_000);
    expect(rules.blocks(ADDRESS)).toBe(false);
    expect(rules.allows(ADDRESS)).toBe(false);
    expect(rules.count()).toEqual({ allow: 1, block: 0 });
    await jobs.get('forget-expired-ip-rules')?.();
    expect(rules.inForce('198.51.100.1')).toHaveLength(1);
    await jobs.get('remove-expired-ip-rules')?.();
    expect(state.removed).toBe(1);
  });
});
