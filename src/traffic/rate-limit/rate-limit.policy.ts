import { Injectable } from '@nestjs/common';
import type { RateClass } from '../../kernel/handler-marks.js';
import { DEFAULT_TIER, RateLimitTable } from '../../platform/config/rate-limit-table.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';
import { ANY_TIER, type LimitPolicy, type PolicyClass, type PolicySource } from './limit-policy.js';
import { PolicyStore, type SubjectOverrides } from './policy-store.js';
import type { Subject } from './rate-limits.repository.js';

/** Answers worked out once, per list of classes and per tier. */
type Sets = WeakMap<readonly RateClass[], Map<string, BucketSet | null>>;

interface Compiled {
  readonly inForce: readonly LimitPolicy[];
  /** When the first of them ends (PostgreSQL's clock, milliseconds). */
  readonly until: number;
  readonly sets: Sets;
}

const UNKNOWN_TIER = '';

/**
 * Which limits hold for whom. The most specific wins, class by class: an override of the client or user that has not
 * ended, the policy of the class and tier, the policy of the class for all tiers, and underneath `RATE_LIMITS` and its
 * defaults. A policy or override replaces what is underneath whole, windows, cost and mode. An override ends to the
 * second, by PostgreSQL's clock.
 */
@Injectable()
export class RateLimitPolicy {
  readonly #table: RateLimitTable;
  readonly #streams: LimitPolicy;
  #sets: Sets = new WeakMap();
  #compiled = new WeakMap<SubjectOverrides, Compiled>();

  constructor(
    settings: Settings,
    private readonly store: PolicyStore,
    private readonly clock: DatabaseClock,
  ) {
    this.#table = new RateLimitTable(settings.RATE_LIMITS);
    this.#streams = streamsOf(settings.MAX_CONCURRENT_STREAMS_PER_CLIENT);
    store.onPoliciesChanged(() => {
      this.#sets = new WeakMap();
      this.#compiled = new WeakMap();
    });
  }

  /**
   * The buckets of some classes for a tier, and for one client of it; null when none of the classes is limited.
   *
   * @param classes a list that outlives the request: answers are remembered per list.
   */
  bucketsFor(classes: readonly RateClass[], tier: string, clientId?: string): BucketSet | null {
    const overrides = clientId === undefined ? undefined : this.store.ofClient(clientId);
    return this.#bucketsOf(classes, tier, overrides);
  }

  /** As `bucketsFor`, for a user. */
  bucketsForUser(classes: readonly RateClass[], tier: string, userId: string): BucketSet | null {
    return this.#bucketsOf(classes, tier, this.store.ofUser(userId));
  }

  /** What holds for a class now, and where it comes from. Without a limit it has neither windows nor a number. */
  effective(rateClass: PolicyClass, tier: string, subject?: Subject): LimitPolicy {
    return this.#effective(rateClass, this.#rowOf(tier), this.#inForce(subject));
  }

  /** Every tier a client may be given. */
  tiers(): string[] {
    return this.#table.tiers();
  }

  #bucketsOf(classes: readonly RateClass[], tier: string, overrides: SubjectOverrides | undefined): BucketSet | null {
    if (overrides === undefined) return this.#remembered(this.#sets, classes, tier, []);
    const { sets, inForce } = this.#compile(overrides);
    return this.#remembered(sets, classes, tier, inForce);
  }

  #remembered(sets: Sets, classes: readonly RateClass[], tier: string, own: readonly LimitPolicy[]): BucketSet | null {
    const row = this.#rowOf(tier);
    let byTier = sets.get(classes);
    if (byTier === undefined) {
      byTier = new Map();
      sets.set(classes, byTier);
    }
    let set = byTier.get(row);
    if (set === undefined) {
      set = this.#build(classes, row, own);
      byTier.set(row, set);
    }
    return set;
  }

  #rowOf(tier: string): string {
    return this.#table.isKnownTier(tier) ? tier : UNKNOWN_TIER;
  }

  #compile(overrides: SubjectOverrides): Compiled {
    const now = this.clock.now();
    let compiled = this.#compiled.get(overrides);
    if (compiled === undefined || now >= compiled.until) {
      const inForce = overrides.policies.filter((policy) => endOf(policy) > now);
      compiled = { inForce, until: Math.min(...inForce.map(endOf)), sets: new WeakMap() };
      this.#compiled.set(overrides, compiled);
    }
    return compiled;
  }

  #inForce(subject: Subject | undefined): readonly LimitPolicy[] {
    if (subject === undefined) return [];
    const overrides = subject.type === 'client' ? this.store.ofClient(subject.id) : this.store.ofUser(subject.id);
    return overrides === undefined ? [] : this.#compile(overrides).inForce;
  }

  #build(classes: readonly RateClass[], row: string, own: readonly LimitPolicy[]): BucketSet | null {
    const policies = [...new Set(classes)].flatMap((rateClass) => {
      const { windows, cost, source } = this.#effective(rateClass, row, own);
      return windows.map(
        ({ quota, windowSeconds, mode }, index) =>
          new BucketPolicy(
            rateClass,
            { quota, windowSeconds },
            { cost, shadow: mode === 'shadow', further: index > 0, origin: originOf(source) },
          ),
      );
    });
    return policies.length === 0 ? null : new BucketSet(policies);
  }

  #effective(rateClass: PolicyClass, row: string, own: readonly LimitPolicy[]): LimitPolicy {
    return (
      own.find((policy) => policy.rateClass === rateClass) ??
      this.store.policy(rateClass, row) ??
      this.store.policy(rateClass, ANY_TIER) ??
      (row === UNKNOWN_TIER ? this.store.policy(rateClass, DEFAULT_TIER) : null) ??
      this.#builtIn(rateClass, row)
    );
  }

  #builtIn(rateClass: PolicyClass, row: string): LimitPolicy {
    if (rateClass === 'streams') return this.#streams;
    const found = this.#table.row(rateClass, row);
    return {
      rateClass,
      windows: found === null ? [] : [{ ...found.limit, mode: 'enforce' }],
      concurrent: null,
      cost: 1,
      mode: 'enforce',
      source: { type: found?.source ?? 'default' },
    };
  }
}

function streamsOf(setting: number): LimitPolicy {
  return {
    rateClass: 'streams',
    windows: [],
    concurrent: setting === 0 ? null : setting,
    cost: 1,
    mode: 'enforce',
    source: { type: setting === new Settings().MAX_CONCURRENT_STREAMS_PER_CLIENT ? 'default' : 'env' },
  };
}

function endOf({ source }: LimitPolicy): number {
  return source.type === 'override' && source.expiresAt !== null ? source.expiresAt : Number.POSITIVE_INFINITY;
}

function originOf(source: PolicySource): string {
  return 'revision' in source ? `${source.type}:${source.revision}` : source.type;
}
