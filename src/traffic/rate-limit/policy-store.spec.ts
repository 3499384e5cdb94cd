import type { Change } from '../../platform/replicas/change.js';
import type { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { PolicyStore } from './policy-store.js';
import type { OverrideRow, PolicyRow, RateLimitsRepository, Subject } from './rate-limits.repository.js';

const WINDOWS = [{ quota: 5, window_seconds: 60 }];
const ROW = {
  rateClass: 'general',
  windows: WINDOWS,
  concurrent: null,
  cost: 1,
  mode: 'enforce',
  reason: null,
  revision: '7',
  updatedBy: null,
  createdAt: new Date(0),
  updatedAt: new Date(0),
};

const policyRow = (overrides: Partial<PolicyRow> = {}): PolicyRow => ({ ...ROW, tier: '*', ...overrides });
const overrideRow = (overrides: Partial<OverrideRow> = {}): OverrideRow => ({
  ...ROW,
  subjectType: 'client',
  subjectId: 'c1',
  expiresAt: null,
  ...overrides,
});

/** A store on rows a test may change, with what it asked for and when each answer comes. */
function buildStore() {
  const rows = { policies: [] as PolicyRow[], overrides: [] as OverrideRow[] };
  const asked: string[] = [];
  const faults: Error[] = [];
  const answer = async <T>(what: string, value: T): Promise<T> => {
    asked.push(what);
    await Promise.resolve();
    const fault = faults.shift();
    if (fault !== undefined) throw fault;
    return value;
  };
  const repository = {
    policies: () => answer('policies', rows.policies),
    overridesOf: (subjects: Subject[]) =>
      answer(
        `overrides of ${subjects.map(({ id }) => id)}`,
        rows.overrides.filter((row) =>
          subjects.some(({ type, id }) => row.subjectType === type && row.subjectId === id),
        ),
      ),
    async *allOverrides() {
      for (const row of await answer('all overrides', rows.overrides)) yield [row];
    },
  };
  let apply: (change: Change) => Promise<void> = async () => undefined;
  let resync: () => Promise<void> = async () => undefined;
  const feed = {
    on: (_topic: string, heard: typeof apply) => {
      apply = heard;
    },
    onResync: (reload: typeof resync) => {
      resync = reload;
    },
  };
  const store = new PolicyStore(repository as unknown as RateLimitsRepository, feed as unknown as ChangeFeed);
  store.onModuleInit();
  const hear = (subject: string) => apply({ id: '1', topic: 'rate_limits', subject, version: null });
  return { store, rows, asked, faults, hear, resync: () => resync() };
}

describe('PolicyStore', () => {
  it('holds nothing until told, and everything after a resync', async () => {
    const { store, rows, resync } = buildStore();
    rows.policies = [policyRow(), policyRow({ tier: 'paid', revision: '8' })];
    rows.overrides = [
      overrideRow(),
      overrideRow({ rateClass: 'query' }),
      overrideRow({ subjectType: 'user', subjectId: 'u:1' }),
    ];
    expect(store.policy('general', '*')).toBeNull();
    await resync();
    expect(store.policy('general', '*')?.source).toEqual({ type: 'policy', revision: '7', tier: '*' });
    expect(store.policy('general', 'paid')?.source).toMatchObject({ revision: '8' });
    expect(store.policy('query', '*')).toBeNull();
    expect(store.ofClient('c1')?.policies.map(({ rateClass }) => rateClass)).toEqual(['general', 'query']);
    expect(store.ofUser('u:1')?.policies).toHaveLength(1);
    expect(store.ofUser('c1')).toBeUndefined();
    expect(store.overridden).toBe(2);
  });

  it('reads only what changed', async () => {
    const { store, rows, asked, hear } = buildStore();
    rows.overrides = [overrideRow({ expiresAt: new Date(9) })];
    await hear('client:c1');
    expect(asked).toEqual(['overrides of c1']);
    expect(store.ofClient('c1')?.policies[0]?.source).toEqual({ type: 'override', revision: '7', expiresAt: 9 });
    rows.policies = [policyRow()];
    await hear('policy:general:*');
    expect(asked).toEqual(['overrides of c1', 'policies']);
    rows.overrides = [];
    await hear('client:c1');
    expect(store.ofClient('c1')).toBeUndefined();
    expect(store.policy('general', '*')).not.toBeNull();
    rows.policies = [];
    await hear('*');
    expect(store.policy('general', '*')).toBeNull();
  });

  it('reads all that is heard of meanwhile in one go, one read after the other', async () => {
    const { store, rows, asked, hear } = buildStore();
    rows.overrides = ['a', 'b', 'c'].map((subjectId) => overrideRow({ subjectId }));
    const first = hear('client:a');
    await Promise.resolve();
    await Promise.all([first, hear('client:b'), hear('client:c'), hear('client:b'), hear('policy:query:*')]);
    expect(asked).toEqual(['overrides of a', 'policies', 'overrides of b,c']);
    expect(store.overridden).toBe(3);
  });

  it('keeps what it has when PostgreSQL is away, and goes on when asked again', async () => {
    const { store, rows, faults, hear, resync } = buildStore();
    rows.overrides = [overrideRow()];
    await resync();
    rows.overrides = [];
    faults.push(new Error('away'));
    await expect(hear('client:c1')).rejects.toThrow('away');
    faults.push(new Error('away'));
    await expect(resync()).rejects.toThrow('away');
    expect(store.ofClient('c1')).toBeDefined();
    await hear('client:c1');
    expect(store.ofClient('c1')).toBeUndefined();
  });

  it('passes over rows that are not valid, and counts them', async () => {
    const { store, rows, resync, hear } = buildStore();
    rows.policies = [
      policyRow({ mode: 'off' }),
      policyRow({ tier: 'paid', cost: 0 }),
      policyRow({ rateClass: 'query' }),
    ];
    rows.overrides = [overrideRow({ cost: 99 }), overrideRow({ rateClass: 'query' })];
    await resync();
    expect(store.skipped).toBe(3);
    expect(store.policy('general', '*')).toBeNull();
    expect(store.policy('query', '*')).not.toBeNull();
    expect(store.ofClient('c1')?.policies).toHaveLength(1);
    await hear('policy:general:*');
    await hear('client:c1');
    expect(store.skipped).toBe(3);
    rows.overrides = [];
    await hear('client:c1');
    expect(store.skipped).toBe(2);
    rows.policies = [];
    await resync();
    expect(store.skipped).toBe(0);
  });

  it('tells of policies that changed, and not of overrides', async () => {
    const { store, hear } = buildStore();
    let told = 0;
    store.onPoliciesChanged(() => {
      told += 1;
    });
    await hear('client:c1');
    expect(told).toBe(0);
    await hear('policy:general:*');
    await hear('*');
    expect(told).toBe(2);
  });
});
