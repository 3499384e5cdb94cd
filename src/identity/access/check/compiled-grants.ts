import type { Grant } from '../../../kernel/grant.js';
import type { RoleGraph } from '../roles/role-graph.js';
import { type ObjectRef, objectKey } from './access-context.js';
import { type Condition, compileConditions, type Facts, type Outcome, outcomeOf } from './conditions.js';
import { holdsIn, takesFrom } from './permission-terms.js';

/**
 * `elsewhere`: not here, but for other objects; for these it is as if the object did not exist. `unowned`: it depends on
 * the owner of the object, who has to be looked up first.
 */
export type Decision = 'allowed' | 'denied' | 'elsewhere' | 'unowned';

/** The objects a permission is held for. */
export interface Reach {
  /** Held for all objects but those in `except`; otherwise for those in `ids`, and what `ownerId` owns. */
  readonly all: boolean;
  readonly ids: readonly string[];
  readonly ownerId: string | null;
  readonly except: readonly string[];
}

/** Grants of one effect that come to the same: they hold until the last of them ends. */
interface Rule {
  readonly conditions: readonly Condition[];
  expiresAt: number;
}

interface RuleSet {
  readonly everywhere: Rule[];
  readonly byObject: Map<string, Rule[]>;
  /** Those of all objects together. */
  readonly somewhere: Rule[];
}

interface PermissionRules {
  readonly allow: RuleSet;
  readonly deny: RuleSet;
}

const NO_RULES: readonly Rule[] = [];

/**
 * The grants of one principal under one graph of roles, made ready permission by permission as they are asked for. An
 * answer then costs a look-up and the conditions of what is about this object, however many grants and roles there are.
 */
export class CompiledGrants {
  readonly #byRole = new Map<string, Grant[]>();
  readonly #byPermission = new Map<string, PermissionRules>();
  /** Grants with the same conditions share what was made of them. */
  readonly #conditions = new Map<string, readonly Condition[]>();

  constructor(
    grants: readonly Grant[],
    readonly graph: RoleGraph,
  ) {
    for (const grant of grants) {
      const ofRole = this.#byRole.get(grant.roleId);
      if (ofRole === undefined) this.#byRole.set(grant.roleId, [grant]);
      else ofRole.push(grant);
    }
  }

  /** Whether the permission is held for the objects that the request is about: a deny that may hold wins. */
  decide(permission: string, facts: Facts): Decision {
    const { allow, deny } = this.#rulesOf(permission);
    const denied = deny.everywhere.length === 0 ? 'fails' : deciding(deny.everywhere, facts);
    if (denied === 'holds' || denied === 'unknown') return 'denied';
    const hidden = deny.byObject.size === 0 ? 'fails' : decidingOn(deny, facts);
    if (hidden === 'holds' || hidden === 'unknown') return this.#heldElsewhere(allow, facts) ? 'elsewhere' : 'denied';
    const held = deciding(allow.everywhere, facts);
    const here = held === 'holds' || allow.byObject.size === 0 ? held : either(held, decidingOn(allow, facts));
    if (here === 'holds') return denied === 'unowned' || hidden === 'unowned' ? 'unowned' : 'allowed';
    if (here === 'unowned') return 'unowned';
    return this.#heldElsewhere(allow, facts) ? 'elsewhere' : 'denied';
  }

  /** The objects of type `type` for which the permission is held, for lists. A deny that depends on the object's owner denies all. */
  reach(permission: string, type: string, facts: Facts): Reach {
    const { allow, deny } = this.#rulesOf(permission);
    const nothing: Reach = { all: false, ids: [], ownerId: null, except: [] };
    if (deciding(deny.everywhere, facts) !== 'fails') return nothing;
    const except = idsOf(deny, type, (rules) => deciding(rules, facts) !== 'fails');
    if (deciding(allow.everywhere, facts) === 'holds') return { all: true, ids: [], ownerId: null, except };
    const owning = ownedBy(facts);
    return {
      all: false,
      ids: idsOf(allow, type, (rules) => deciding(rules, facts) === 'holds'),
      ownerId: deciding(allow.everywhere, owning) === 'holds' ? facts.userId : null,
      except,
    };
  }

  #heldElsewhere({ everywhere, somewhere }: RuleSet, facts: Facts): boolean {
    if (facts.context.objects.length === 0) return false;
    const owning = ownedBy(facts);
    return deciding(everywhere, owning) === 'holds' || deciding(somewhere, owning) === 'holds';
  }

  #rulesOf(permission: string): PermissionRules {
    let rules = this.#byPermission.get(permission);
    if (rules === undefined) {
      rules = this.#compile(permission);
      // Only what exists is kept: an explanation may ask for any text.
      if (this.graph.isKnown(permission)) this.#byPermission.set(permission, rules);
    }
    return rules;
  }

  #compile(permission: string): PermissionRules {
    const allow = new RuleSetBuilder();
    const deny = new RuleSetBuilder();
    for (const [roleId, grants] of this.#byRole) {
      const held = this.graph.permissionsOf(roleId);
      const allows = holdsIn(held, permission);
      const denies = allows || takesFrom(held, permission);
      if (!denies) continue;
      for (const grant of grants) {
        if (grant.effect === 'deny') deny.add(grant, this.#conditionsOf(grant));
        else if (allows) allow.add(grant, this.#conditionsOf(grant));
      }
    }
    return { allow: allow.rules, deny: deny.rules };
  }

  #conditionsOf({ conditions }: Grant): readonly Condition[] {
    const key = JSON.stringify(conditions);
    let compiled = this.#conditions.get(key);
    if (compiled === undefined) {
      compiled = compileConditions(conditions);
      this.#conditions.set(key, compiled);
    }
    return compiled;
  }
}

class RuleSetBuilder {
  readonly rules: RuleSet = { everywhere: [], byObject: new Map(), somewhere: [] };
  /** By the list and the conditions, so that a thousand grants of the same are one rule. */
  readonly #known = new Map<Rule[], Map<readonly Condition[], Rule>>();

  add({ scope, expiresAt }: Grant, conditions: readonly Condition[]): void {
    const end = expiresAt ?? Number.POSITIVE_INFINITY;
    if (scope.type === 'all') {
      this.#merge(this.rules.everywhere, conditions, end);
      return;
    }
    const key = objectKey(objectOf(scope));
    const here = this.rules.byObject.get(key) ?? [];
    this.rules.byObject.set(key, here);
    this.#merge(here, conditions, end);
    this.#merge(this.rules.somewhere, conditions, end);
  }

  #merge(list: Rule[], conditions: readonly Condition[], expiresAt: number): void {
    const known = this.#known.get(list) ?? new Map<readonly Condition[], Rule>();
    this.#known.set(list, known);
    const same = known.get(conditions);
    if (same !== undefined) {
      same.expiresAt = Math.max(same.expiresAt, expiresAt);
      return;
    }
    const rule = { conditions, expiresAt };
    known.set(conditions, rule);
    // What asks for nothing is asked first.
    if (conditions.length === 0) list.unshift(rule);
    else list.push(rule);
  }
}

/** The object of a scope that is not everything. */
export function objectOf(scope: Exclude<Grant['scope'], { readonly type: 'all' }>): ObjectRef {
  return scope.type === 'client' ? { type: 'clients', id: scope.id } : { type: scope.resource, id: scope.id };
}

/** What any of the rules comes to that has not ended: what holds, else what may yet. */
function deciding(rules: readonly Rule[], facts: Facts): Outcome {
  let outcome: Outcome = 'fails';
  for (const { conditions, expiresAt } of rules) {
    if (expiresAt <= facts.context.now) continue;
    if (conditions.length === 0) return 'holds';
    outcome = either(outcome, outcomeOf(conditions, facts));
    if (outcome === 'holds') return outcome;
  }
  return outcome;
}

function decidingOn({ byObject }: RuleSet, facts: Facts): Outcome {
  let outcome: Outcome = 'fails';
  for (const object of facts.context.objects)
    outcome = either(outcome, deciding(byObject.get(objectKey(object)) ?? NO_RULES, facts));
  return outcome;
}

const STRENGTH: Readonly<Record<Outcome, number>> = { fails: 0, unknown: 1, unowned: 2, holds: 3 };

function either(one: Outcome, other: Outcome): Outcome {
  return STRENGTH[one] >= STRENGTH[other] ? one : other;
}

/** The same request, about something that the user owns. */
function ownedBy(facts: Facts): Facts {
  const { context, proof, userId } = facts;
  const { address, now } = context;
  const own = {
    address,
    now,
    objects: [{ type: '', id: '' }],
    ownerId: userId,
    get country() {
      return context.country;
    },
  };
  return { context: own, proof, userId };
}

function idsOf({ byObject }: RuleSet, type: string, holds: (rules: readonly Rule[]) => boolean): string[] {
  const prefix = `${type}:`;
  const ids: string[] = [];
  for (const [key, rules] of byObject) if (key.startsWith(prefix) && holds(rules)) ids.push(key.slice(prefix.length));
  return ids;
}
