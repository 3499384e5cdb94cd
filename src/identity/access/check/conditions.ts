import type { GrantConditions, GrantHours } from '../../../kernel/grant.js';
import { AddressRanges } from '../../../platform/http/address-ranges.js';
import type { AccessContext } from './access-context.js';
import { wallTime } from './zoned-time.js';

/** How somebody proved who they are. */
export interface Proof {
  /** See `methodsOf`; null: not known. */
  readonly methods: readonly string[] | null;
  /** Milliseconds since the epoch; null: not known, as of a key. */
  readonly authenticatedAt: number | null;
  /** Null: not known. */
  readonly mfa: boolean | null;
}

/** Who a grant is asked of, and about what. */
export interface Facts {
  readonly context: AccessContext;
  readonly proof: Proof;
  /** The user whose grants they are. */
  readonly userId: string;
}

/**
 * What a condition comes to. `unknown`: an attribute is missing, so that no grant that allows holds by it, and every one
 * that denies does. `unowned`: it depends on the owner of the object, whom nobody has looked up.
 */
export type Outcome = 'holds' | 'fails' | 'unknown' | 'unowned';

/** One condition of a grant, made ready. */
export interface Condition {
  readonly name: keyof GrantConditions;
  test(facts: Facts): Outcome;
}

const MINUTES_A_DAY = 24 * 60;

/** The conditions of a grant, cheap ones first. One that this release does not know is never known to hold. */
export function compileConditions(conditions: GrantConditions | null): readonly Condition[] {
  if (conditions === null) return [];
  const compiled: Condition[] = [];
  for (const name of Object.keys(conditions) as (keyof GrantConditions)[]) {
    if (conditions[name] === undefined) continue;
    const compile = COMPILERS[name] as ((value: unknown) => Condition['test']) | undefined;
    compiled.push({ name, test: compile === undefined ? () => 'unknown' : compile(conditions[name]) });
  }
  return compiled.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
}

/** All of them together: one that fails decides, then whom the object belongs to has to be known. */
export function outcomeOf(conditions: readonly Condition[], facts: Facts): Outcome {
  let outcome: Outcome = 'holds';
  for (const condition of conditions) {
    const each = condition.test(facts);
    if (each === 'fails') return 'fails';
    if (each === 'unowned' || outcome === 'holds') outcome = each;
  }
  return outcome;
}

/** Another name for a way to sign in, as RFC 8176 has it. */
const SYNONYMS: Readonly<Record<string, string>> = { pwd: 'password' };

/** The names a proof goes by in `methods`: the kind of credential, and what was done at the sign-in. */
export function methodsOf(credential: string | null, amr: readonly string[]): readonly string[] {
  return [
    ...(credential === null ? [] : [credential]),
    ...amr.flatMap((each) => (each in SYNONYMS ? [each, SYNONYMS[each] as string] : [each])),
  ];
}

const ORDER: readonly (keyof GrantConditions)[] = [
  'mfa',
  'methods',
  'max_auth_age_seconds',
  'own_only',
  'hours',
  'cidr',
  'countries',
];

const COMPILERS: {
  [Name in keyof Required<GrantConditions>]: (value: Required<GrantConditions>[Name]) => Condition['test'];
} = {
  mfa:
    () =>
    ({ proof }) =>
      known(proof.mfa, (mfa) => mfa),
  methods:
    (accepted) =>
    ({ proof }) =>
      known(proof.methods, (methods) => methods.some((method) => accepted.includes(method))),
  max_auth_age_seconds:
    (seconds) =>
    ({ proof, context }) =>
      known(proof.authenticatedAt, (at) => context.now - at <= seconds * 1000),
  own_only:
    () =>
    ({ context, userId }) => {
      if (context.objects.length === 0) return 'unknown';
      return context.ownerId === undefined ? 'unowned' : outcome(context.ownerId === userId);
    },
  hours: (hours) => compileHours(hours),
  cidr: (texts) => {
    const ranges = new AddressRanges(texts);
    return ({ context }) => known(context.address, (address) => ranges.has(address));
  },
  countries:
    (accepted) =>
    ({ context }) =>
      known(context.country, (country) => accepted.includes(country)),
};

function compileHours({ zone, days, from, to }: GrantHours): Condition['test'] {
  const [start, end] = [minuteOf(from), minuteOf(to)];
  const onDay = (day: number) => days?.includes(day) ?? true;
  return ({ context }) => {
    const { day, minute } = wallTime(zone, context.now);
    if (start < end) return outcome(onDay(day) && minute >= start && minute < end);
    // Hours past midnight belong to the day they began on.
    const dayBefore = day === 1 ? 7 : day - 1;
    return outcome((onDay(day) && minute >= start) || (onDay(dayBefore) && minute < end));
  };
}

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':');
  return Math.min(Number(hours) * 60 + Number(minutes), MINUTES_A_DAY);
}

function known<T>(value: T | null, holds: (value: T) => boolean): Outcome {
  return value === null ? 'unknown' : outcome(holds(value));
}

function outcome(holds: boolean): Outcome {
  return holds ? 'holds' : 'fails';
}
