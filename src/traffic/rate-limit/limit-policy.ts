/** Classes a policy can be set for: those of buckets, and `streams`, how many streams may be under way at once. */
export const POLICY_CLASSES = ['general', 'query', 'key_creation', 'login', 'address', 'streams'] as const;
export type PolicyClass = (typeof POLICY_CLASSES)[number];

/** Classes that are counted per client or user, so that one of them can have its own limit, and a tier its own. */
export const SUBJECT_CLASSES = ['general', 'query', 'key_creation', 'streams'] as const;

/** `shadow`: counted and reported, never enforced. */
export const MODES = ['enforce', 'shadow'] as const;
export type Mode = (typeof MODES)[number];

export const SUBJECT_TYPES = ['client', 'user'] as const;
export type SubjectType = (typeof SUBJECT_TYPES)[number];

/** The row of a policy that holds for every tier without one of its own. */
export const ANY_TIER = '*';

export const MAX_WINDOWS = 4;
export const MAX_QUOTA = 999_999_999;
export const MAX_WINDOW_SECONDS = 99_999_999;
export const MAX_COST = 1_000_000;
export const MAX_CONCURRENT = 1_000_000;
export const MAX_REASON = 500;

/** One bucket of a policy: `quota` units, refilled evenly over `windowSeconds`. */
export interface LimitWindow {
  readonly quota: number;
  readonly windowSeconds: number;
  readonly mode: Mode;
}

/** Where a policy comes from, the more specific before the less. */
export type PolicySource =
  | { readonly type: 'override'; readonly revision: string; readonly expiresAt: number | null }
  | { readonly type: 'policy'; readonly revision: string; readonly tier: string }
  | { readonly type: 'env' }
  | { readonly type: 'default' };

/** How one class is limited. Each window is a bucket of its own; no window at all means no limit. */
export interface LimitPolicy {
  readonly rateClass: PolicyClass;
  readonly windows: readonly LimitWindow[];
  /** Of the class `streams`: how many at once; null for the other classes, and for no limit. */
  readonly concurrent: number | null;
  /** Units that one request takes from each window. */
  readonly cost: number;
  /** A window is enforced when neither it nor its policy is in shadow. */
  readonly mode: Mode;
  readonly source: PolicySource;
}
