import { addressDigits, type IpRange, prefixKey, readIpRange } from './ip-range.js';

/** A rule as far as it decides on an address. */
export interface MatchedRule {
  readonly id: string;
  readonly cidr: string;
  readonly action: 'allow' | 'block';
  readonly source: 'manual' | 'automatic';
  /** Milliseconds since the Unix epoch by PostgreSQL's clock; null: it stays. */
  readonly expiresAt: number | null;
}

interface HeldRule {
  readonly rule: MatchedRule;
  readonly range: IpRange;
}

/** Prefix length to the rules of each prefix of that length. */
type Prefixes = Map<number, Map<string, MatchedRule[]>>;

const MAX_REMEMBERED = 10_000;
const NONE: readonly MatchedRule[] = Object.freeze([]);

/**
 * Finds the rule that decides on an address. The most specific rule does, and of two as specific the one that allows.
 * An automatic block is no match for any rule that allows.
 *
 * Rules are kept by prefix length, so that an address costs one look per length in use, however many rules there are;
 * and what was found for an address is remembered until a rule changes.
 */
export class IpRuleMatcher {
  readonly #rules = new Map<string, HeldRule>();
  readonly #prefixes: Readonly<Record<4 | 6, Prefixes>> = { 4: new Map(), 6: new Map() };
  readonly #remembered = new Map<string, readonly MatchedRule[]>();

  get size(): number {
    return this.#rules.size;
  }

  rules(): MatchedRule[] {
    return [...this.#rules.values()].map(({ rule }) => rule);
  }

  /** Adds a rule, or replaces the one of that id. A range nobody can read is no rule. */
  set(rule: MatchedRule): void {
    this.remove(rule.id);
    const range = readIpRange(rule.cidr);
    if (range === null) return;
    this.#rules.set(rule.id, { rule, range });
    const prefixes = this.#prefixes[range.family];
    const ofLength = prefixes.get(range.bits) ?? new Map<string, MatchedRule[]>();
    prefixes.set(range.bits, ofLength);
    ofLength.set(range.key, [...(ofLength.get(range.key) ?? []), rule]);
  }

  remove(id: string): void {
    this.#remembered.clear();
    const held = this.#rules.get(id);
    if (held === undefined) return;
    const { rule, range } = held;
    this.#rules.delete(id);
    const ofLength = this.#prefixes[range.family].get(range.bits);
    const left = ofLength?.get(range.key)?.filter((each) => each !== rule) ?? [];
    if (left.length > 0) ofLength?.set(range.key, left);
    else ofLength?.delete(range.key);
    if (ofLength?.size === 0) this.#prefixes[range.family].delete(range.bits);
  }

  /** Holds these rules and no other. */
  replaceAll(rules: readonly MatchedRule[]): void {
    const kept = new Set(rules.map(({ id }) => id));
    for (const id of [...this.#rules.keys()]) if (!kept.has(id)) this.remove(id);
    for (const rule of rules) this.set(rule);
  }

  /** The rule that decides on a canonical address at the time `now`; null when none does. */
  deciding(address: string, now: number): MatchedRule | null {
    if (this.#rules.size === 0) return null;
    return decidingOf(this.covering(address), now);
  }

  /** Every rule whose range the address lies in, in the order in which they decide, expired ones included. */
  covering(address: string): readonly MatchedRule[] {
    let found = this.#remembered.get(address);
    if (found === undefined) {
      found = this.#find(address);
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(address, found);
    }
    return found;
  }

  #find(address: string): readonly MatchedRule[] {
    const prefixes = this.#prefixes[address.includes(':') ? 6 : 4];
    if (prefixes.size === 0) return NONE;
    const digits = addressDigits(address);
    const found: { bits: number; rule: MatchedRule }[] = [];
    for (const [bits, ofLength] of prefixes) {
      for (const rule of ofLength.get(prefixKey(digits, bits)) ?? NONE) found.push({ bits, rule });
    }
    return found.length === 0 ? NONE : found.sort(byPrecedence).map(({ rule }) => rule);
  }
}

/** The first of the rules, in the order in which they decide, that has not expired at the time `now`. */
export function decidingOf(rules: readonly MatchedRule[], now: number): MatchedRule | null {
  for (const rule of rules) if (rule.expiresAt === null || rule.expiresAt > now) return rule;
  return null;
}

function byPrecedence(one: { bits: number; rule: MatchedRule }, other: { bits: number; rule: MatchedRule }): number {
  const automatic = Number(isAutomaticBlock(one.rule)) - Number(isAutomaticBlock(other.rule));
  if (automatic !== 0) return automatic;
  if (one.bits !== other.bits) return other.bits - one.bits;
  return Number(one.rule.action === 'block') - Number(other.rule.action === 'block');
}

function isAutomaticBlock({ source, action }: MatchedRule): boolean {
  return source === 'automatic' && action === 'block';
}
