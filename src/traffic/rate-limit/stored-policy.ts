import {
  type LimitPolicy,
  type LimitWindow,
  MAX_CONCURRENT,
  MAX_COST,
  MAX_QUOTA,
  MAX_WINDOW_SECONDS,
  MAX_WINDOWS,
  type Mode,
  POLICY_CLASSES,
  type PolicyClass,
  type PolicySource,
} from './limit-policy.js';

/** A row of a policy or an override, with nothing in it taken for granted. */
export interface StoredPolicy {
  readonly rateClass: unknown;
  readonly windows: unknown;
  readonly concurrent: unknown;
  readonly cost: unknown;
  readonly mode: unknown;
}

/**
 * The policy a row stands for, or null for a row that is none. The database checks the same; a row that got past it is
 * to be passed over, not believed, because limits are kept on the way of every request.
 */
export function readPolicy(row: StoredPolicy, source: PolicySource): LimitPolicy | null {
  const { rateClass, cost, mode, concurrent } = row;
  if (!isPolicyClass(rateClass) || !isWhole(cost, MAX_COST) || !isMode(mode) || !Array.isArray(row.windows))
    return null;
  const windows = row.windows.map((window) => readWindow(window, mode, cost)).filter((window) => window !== null);
  const lengths = new Set(windows.map(({ windowSeconds }) => windowSeconds));
  if (windows.length !== row.windows.length || windows.length > MAX_WINDOWS || lengths.size < windows.length)
    return null;
  if (rateClass !== 'streams')
    return concurrent === null ? { rateClass, windows, concurrent, cost, mode, source } : null;
  if (windows.length > 0 || !isWhole(concurrent, MAX_CONCURRENT)) return null;
  return { rateClass, windows, concurrent, cost, mode, source };
}

function readWindow(window: unknown, mode: Mode, cost: number): LimitWindow | null {
  if (typeof window !== 'object' || window === null) return null;
  const { quota, window_seconds: windowSeconds, mode: own = mode } = window as Readonly<Record<string, unknown>>;
  if (!isWhole(quota, MAX_QUOTA) || !isWhole(windowSeconds, MAX_WINDOW_SECONDS) || !isMode(own) || quota < cost)
    return null;
  return { quota, windowSeconds, mode: mode === 'shadow' ? mode : own };
}

function isPolicyClass(value: unknown): value is PolicyClass {
  return (POLICY_CLASSES as readonly unknown[]).includes(value);
}

function isMode(value: unknown): value is Mode {
  return value === 'enforce' || value === 'shadow';
}

function isWhole(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max;
}
