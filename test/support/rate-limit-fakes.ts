import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import type { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import type { LimitPolicy } from '../../src/traffic/rate-limit/limit-policy.js';
import type { PolicyStore, SubjectOverrides } from '../../src/traffic/rate-limit/policy-store.js';

/** Does nothing over and over. */
export const NO_JOBS = { every: () => undefined } as unknown as PeriodicService;

let replicas = 0;

/** A replica among so many. */
export function buildRegistry(live = 1): ReplicaRegistry {
  replicas += 1;
  return { id: `rep_${replicas}`, live } as unknown as ReplicaRegistry;
}

export interface PolicyRows {
  policies?: readonly LimitPolicy[] | undefined;
  clients?: Readonly<Record<string, readonly LimitPolicy[]>> | undefined;
  users?: Readonly<Record<string, readonly LimitPolicy[]>> | undefined;
}

/** What PostgreSQL would have said; `set` replaces it, as an announced change does. */
export function buildPolicyStore(rows: PolicyRows = {}): PolicyStore & { set(rows: PolicyRows): void } {
  let policies = policiesOf(rows);
  let clients = overridesOf(rows.clients);
  let users = overridesOf(rows.users);
  const listeners: (() => void)[] = [];
  const store = {
    skipped: 0,
    policy: (rateClass: string, tier: string) => policies.get(`${rateClass}:${tier}`) ?? null,
    ofClient: (id: string) => clients.get(id),
    ofUser: (id: string) => users.get(id),
    onPoliciesChanged: (listener: () => void) => listeners.push(listener),
    set: (next: PolicyRows) => {
      policies = policiesOf(next);
      clients = overridesOf(next.clients);
      users = overridesOf(next.users);
      for (const listener of listeners) listener();
    },
  };
  return store as unknown as PolicyStore & { set(rows: PolicyRows): void };
}

function policiesOf({ policies = [] }: PolicyRows): Map<string, LimitPolicy> {
  return new Map(
    policies.map((policy) => [`${policy.rateClass}:${'tier' in policy.source ? policy.source.tier : '*'}`, policy]),
  );
}

function overridesOf(rows: PolicyRows['clients'] = {}): Map<string, SubjectOverrides> {
  return new Map(Object.entries(rows).map(([id, policies]) => [id, { policies }]));
}

let revisions = 0;

/** A policy for all tiers that lets one request through an hour, unless said otherwise. */
export function buildPolicy(overrides: Partial<LimitPolicy> & { tier?: string } = {}): LimitPolicy {
  const { tier = '*', ...rest } = overrides;
  revisions += 1;
  return {
    rateClass: 'general',
    windows: [{ quota: 1, windowSeconds: 3600, mode: 'enforce' }],
    concurrent: null,
    cost: 1,
    mode: 'enforce',
    source: { type: 'policy', revision: String(revisions), tier },
    ...rest,
  };
}

/** As `buildPolicy`, for one client or user, until a moment (milliseconds) or for ever. */
export function buildOverride(overrides: Partial<LimitPolicy> & { expiresAt?: number | null } = {}): LimitPolicy {
  const { expiresAt = null, ...rest } = overrides;
  revisions += 1;
  return buildPolicy({ source: { type: 'override', revision: String(revisions), expiresAt }, ...rest });
}
