import type { RateClass } from '../../kernel/handler-marks.js';
import type { BucketPolicy, Debt, Taken } from './bucket-policy.js';
import type { BucketSet } from './bucket-set.js';

/** One bucket after a decision. */
export interface BucketReport {
  readonly class: RateClass;
  readonly quota: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  /** Whole seconds until the bucket is full; with nothing remaining, or too little, until there is enough. */
  readonly resetSeconds: number;
}

/** What the limiter decided on one request. */
export interface Decision {
  readonly allowed: boolean;
  /** Decided in this process because Redis was away. */
  readonly degraded: boolean;
  readonly buckets: readonly BucketReport[];
  /** Allowed: the bucket with the least remaining. Refused: the refusing bucket that takes longest to have enough. */
  readonly tightest: BucketReport;
  /** Unix time, in whole seconds, at which `tightest.resetSeconds` are over. */
  readonly resetAt: number;
}

interface Candidate {
  readonly report: BucketReport;
  readonly remaining: number;
  readonly waitMicros: number;
}

const MICROS = 1_000_000;

/**
 * Puts what was taken, or not, into words.
 *
 * @param now microseconds since the Unix epoch.
 */
export function decide(set: BucketSet, taken: Taken, cost: number, now: number, degraded: boolean): Decision {
  const candidates = set.policies.map((policy, index) => inspect(policy, taken, index, cost));
  const eligible = taken.allowed ? candidates : candidates.filter((candidate) => candidate.remaining < cost);
  const [first, ...others] = eligible.length > 0 ? eligible : candidates;
  if (first === undefined) throw new RangeError('A decision needs at least one bucket.');
  const tighter = taken.allowed ? hasLess : waitsLonger;
  const tightest = others.reduce((best, candidate) => (tighter(candidate, best) ? candidate : best), first);
  return {
    allowed: taken.allowed,
    degraded,
    buckets: candidates.map((candidate) => candidate.report),
    tightest: tightest.report,
    resetAt: Math.ceil((now + tightest.waitMicros) / MICROS),
  };
}

function inspect(policy: BucketPolicy, taken: Taken, index: number, cost: number): Candidate {
  const debt = taken.debts[index] as Debt;
  const remaining = policy.remaining(debt);
  const needed = taken.allowed ? 1 : cost;
  const waitMicros = remaining < needed ? policy.microsUntil(debt, needed) : policy.microsUntilFull(debt);
  return {
    report: {
      class: policy.rateClass,
      quota: policy.quota,
      windowSeconds: policy.windowSeconds,
      remaining,
      resetSeconds: Math.ceil(waitMicros / MICROS),
    },
    remaining,
    waitMicros,
  };
}

function hasLess(candidate: Candidate, best: Candidate): boolean {
  if (candidate.remaining !== best.remaining) return candidate.remaining < best.remaining;
  return candidate.waitMicros > best.waitMicros;
}

function waitsLonger(candidate: Candidate, best: Candidate): boolean {
  return candidate.waitMicros > best.waitMicros;
}
