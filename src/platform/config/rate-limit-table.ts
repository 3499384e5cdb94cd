import type { RateClass } from '../../kernel/handler-marks.js';

/** A bucket's size: `quota` units, refilled evenly over `windowSeconds`. */
export interface RateLimit {
  readonly quota: number;
  readonly windowSeconds: number;
}

/** A row of the table, and whether the setting `RATE_LIMITS` gives it (`env`) or the defaults do. */
export interface RateLimitRow {
  readonly limit: RateLimit;
  readonly source: 'env' | 'default';
}

/** The tier of a client for which none was named, and the row that a tier without one of its own is held to. */
export const DEFAULT_TIER = 'paid';

const DEFAULTS = 'general.free=100/3600,general.paid=1000/3600,query=10/60,login=5/60,key_creation=10/3600';
const BUILT_IN_TIERS = ['free', DEFAULT_TIER];

/** Counted per client or user, so that a tier can have its own limit; the other classes are counted per address. */
const TIERED = '(?<cls>general|query|key_creation)(?:\\.(?<tier>[a-z][a-z0-9_-]{0,31}))?';
const UNTIERED = '(?<address_cls>login|address)';
const ITEM = new RegExp(`^(?:${TIERED}|${UNTIERED})=(?<quota>[1-9]\\d{0,8})/(?<seconds>[1-9]\\d{0,7})$`);

/** Whether a text is what `RATE_LIMITS` may be: `class[.tier]=quota/seconds` separated by commas, no name twice. */
export function isRateLimitsText(text: string): boolean {
  return parse(text) !== null;
}

/**
 * Which class of bucket holds how much, per tier (contract, section 3): the defaults, overridden by `RATE_LIMITS`.
 *
 * The most specific row wins, whatever the order: `class.tier` of the setting, `class` of the setting (all tiers),
 * `class.tier` of the defaults, then what the default tier has. A tier exists by being named in any row; one that
 * exists no more (its row was removed while clients still have it) is held to the default tier's limits.
 */
export class RateLimitTable {
  readonly #given: ReadonlyMap<string, RateLimit>;
  readonly #defaults: ReadonlyMap<string, RateLimit>;
  readonly #tiers: ReadonlySet<string>;

  /** @param text the setting `RATE_LIMITS`, already validated. @throws RangeError when it was not. */
  constructor(text: string) {
    const given = parse(text);
    const defaults = parse(DEFAULTS);
    if (given === null || defaults === null) throw new RangeError('RATE_LIMITS is not valid.');
    this.#given = given;
    this.#defaults = defaults;
    const named = [...given.keys()].map((row) => row.split('.')[1]).filter((tier) => tier !== undefined);
    this.#tiers = new Set([...BUILT_IN_TIERS, ...named]);
  }

  /** The limit of a class for a tier, or null where the class is off. */
  limit(rateClass: RateClass, tier: string = DEFAULT_TIER): RateLimit | null {
    return this.row(rateClass, tier)?.limit ?? null;
  }

  /** As `limit`, with where the limit comes from. */
  row(rateClass: RateClass, tier: string = DEFAULT_TIER): RateLimitRow | null {
    return (
      rowOf('env', this.#given.get(`${rateClass}.${tier}`) ?? this.#given.get(rateClass)) ??
      rowOf('default', this.#defaults.get(`${rateClass}.${tier}`)) ??
      rowOf('env', this.#given.get(`${rateClass}.${DEFAULT_TIER}`)) ??
      rowOf('default', this.#defaults.get(`${rateClass}.${DEFAULT_TIER}`) ?? this.#defaults.get(rateClass))
    );
  }

  /** Whether a client may be given this tier. */
  isKnownTier(tier: string): boolean {
    return this.#tiers.has(tier);
  }

  /** Every tier a client may be given. */
  tiers(): string[] {
    return [...this.#tiers];
  }
}

function rowOf(source: RateLimitRow['source'], limit: RateLimit | undefined): RateLimitRow | null {
  return limit === undefined ? null : { limit, source };
}

function parse(text: string): Map<string, RateLimit> | null {
  const rows = new Map<string, RateLimit>();
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const found = ITEM.exec(item)?.groups;
    if (found === undefined) return null;
    const rateClass = found.cls ?? found.address_cls;
    const row = found.tier === undefined ? `${rateClass}` : `${rateClass}.${found.tier}`;
    if (rows.has(row)) return null;
    rows.set(row, { quota: Number(found.quota), windowSeconds: Number(found.seconds) });
  }
  return rows;
}
