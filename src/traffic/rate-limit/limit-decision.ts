import type { RateClass } from '../../kernel/handler-marks.js';
import type { BucketPolicy, Debt, Taken } from './bucket-policy.js';
import type { BucketSet } from './bucket-set.js';

/** One bucket after a decision. */
export interface BucketReport {
  readonly class: RateClass;
  /** The class, from its second window on with the window. */
  readonly name: string;
  readonly quota: number;
  readonly windowSeconds: number;
  /** Units one request takes. */
  readonly cost: number;
  readonly shadow: boolean;
  readonly remaining: number;
  /** Whole seconds until the bucket is full; with nothing remaining, or too little, until there is enough. */
  readonly resetSeconds: number;
  /** It does not hold what the request needs. */
  readonly lacking: boolean;
}

/** What the limiter decided on one request. */
export interface Decision {
  readonly allowed: boolean;
  /** Decided in this process because Redis was away. */
  readonly degraded: boolean;
  readonly buckets: readonly BucketReport[];
  /**
   * Allowed: the bucket with room for the fewest requests. Refused: the refusing bucket that takes longest to have
   * enough. One in shadow only where all are.
   */
  readonly tightest: BucketReport;
  /** Unix time, in whole seconds, at which `tightest.resetSeconds` are over. */
  readonly resetAt: number;
  /** `RateLimit-Policy` of the buckets as they were enforced; empty when none was. */
  readonly policyHeader: string;
}

interface Candidate {
  readonly report: BucketReport;
  /** Requests there is room for. */
  readonly room: number;
  readonly waitMicros: number;
}

const MICROS = 1_000_000;

/**
 * Puts what was taken, or not, into words.
 *
 * @param now microseconds since the Unix epoch, for `resetAt` alone.
 */
export function decide(set: BucketSet, taken: Taken, requests: number, now: number, degraded: boolean): Decision {
  const candidates = set.policies.map((policy, index) => inspect(policy, taken, index, requests));
  const allCount = taken.allowed && set.enforced === set;
  const counting = allCount ? candidates : eligible(candidates, taken.allowed);
  let [tightest] = counting;
  if (tightest === undefined) throw new RangeError('A decision needs at least one bucket.');
  const tighter = taken.allowed ? hasLess : waitsLonger;
  for (const candidate of counting) if (tighter(candidate, tightest)) tightest = candidate;
  return {
    allowed: taken.allowed,
    degraded,
    buckets: candidates.map((candidate) => candidate.report),
    tightest: tightest.report,
    resetAt: Math.ceil((now + tightest.waitMicros) / MICROS),
    policyHeader: set.policyHeader,
  };
}

/** What `BucketSet.policies` would decide, from the debts as they are; takes nothing. */
export function foresee(set: BucketSet, debts: readonly Debt[], requests: number): Taken {
  let allowed = true;
  let lacking = 0;
  for (const [index, policy] of set.policies.entries()) {
    if (policy.add(debts[index] as Debt, policy.debtOf(requests * policy.cost)) !== null) continue;
    if (policy.shadow) lacking += 1 << index;
    else allowed = false;
  }
  return { allowed, debts, lacking: allowed ? lacking : 0 };
}

function eligible(candidates: readonly Candidate[], allowed: boolean): readonly Candidate[] {
  const enforced = candidates.filter(({ report }) => !report.shadow);
  if (enforced.length === 0) return candidates;
  const refusing = allowed ? enforced : enforced.filter(({ report }) => report.lacking);
  return refusing.length > 0 ? refusing : enforced;
}

function inspect(policy: BucketPolicy, taken: Taken, index: number, requests: number): Candidate {
  const debt = taken.debts[index] as Debt;
  const remaining = policy.remaining(debt);
  const needed = taken.allowed ? policy.cost : requests * policy.cost;
  const waitMicros = remaining < needed ? policy.microsUntil(debt, needed) : policy.microsUntilFull(debt);
  return {
    report: {
      class: policy.rateClass,
      name: policy.name,
      quota: policy.quota,
      windowSeconds: policy.windowSeconds,
      cost: policy.cost,
      shadow: policy.shadow,
      remaining,
      resetSeconds: Math.ceil(waitMicros / MICROS),
      lacking: taken.allowed ? (taken.lacking & (1 << index)) !== 0 : remaining < needed,
    },
    room: Math.floor(remaining / policy.cost),
    waitMicros,
  };
}

function hasLess(candidate: Candidate, best: Candidate): boolean {
  if (candidate.room !== best.room) return candidate.room < best.room;
  return candidate.waitMicros > best.waitMicros;
}

function waitsLonger(candidate: Candidate, best: Candidate): boolean {
  return candidate.waitMicros > best.waitMicros;
}
