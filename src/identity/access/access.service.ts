import { Injectable } from '@nestjs/common';
import { AddressNotAllowedError, type AppError, NotFoundError, PermissionDeniedError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import { Countries } from '../../platform/geo/countries.js';
import { AddressRanges } from '../../platform/http/address-ranges.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { givable, OUTRIGHT } from './authority/authority.js';
import type { AccessContext } from './check/access-context.js';
import type { Reach } from './check/compiled-grants.js';
import { holds as holdsPermission, resourceOf } from './check/permission-terms.js';
import { PrincipalCheck } from './check/principal-check.js';
import { RequestContext } from './check/request-context.js';
import { RoleGraphs } from './roles/role-graphs.service.js';
import { type Marked, type RouteRule, RouteRules } from './route-rules.js';

/** What is read of a request. */
export type AskingRequest = Pick<HttpRequest, 'record' | 'params'>;

/** A refusal, or `unowned`: whom the object belongs to has to be looked up first. Null: nothing stands against it. */
export type Verdict = AppError | 'unowned' | null;

/**
 * What a route asks for, and whether an identity has it. It answers from memory and without waiting, so it works whatever
 * is away: roles are those that were last read from PostgreSQL.
 */
@Injectable()
export class AccessService {
  readonly #rules = new RouteRules();
  readonly #check: PrincipalCheck;
  /** By the very list: one is shared by all requests that a remembered credential answers. */
  readonly #ranges = new WeakMap<readonly string[], AddressRanges>();
  readonly #owned = new WeakMap<AskingRequest, AccessContext>();

  constructor(
    private readonly roles: RoleGraphs,
    private readonly clock: DatabaseClock,
    private readonly countries: Countries,
  ) {
    this.#check = new PrincipalCheck(() => roles.current);
  }

  /** True when the route needs no credential. */
  isPublic(handler: Marked, controller: Marked): boolean {
    return this.ruleOf(handler, controller).isPublic;
  }

  ruleOf(handler: Marked, controller: Marked): RouteRule {
    return this.#rules.of(handler, controller);
  }

  /** Where a request comes from, and what its path is about, with the owner of that where it was looked up. */
  contextOf(request: AskingRequest, requirement: string | null = null): AccessContext {
    return (
      this.#owned.get(request) ??
      new RequestContext(
        request.record.address,
        this.clock.now(),
        (request.params ?? {}) as Readonly<Record<string, string>>,
        requirement === null ? null : resourceOf(requirement),
        (address) => this.countries.of(address),
      )
    );
  }

  /** Keeps whom the object of a request belongs to, for as long as the request. */
  rememberOwner(request: AskingRequest, context: AccessContext, ownerId: string | null): AccessContext {
    const { address, country, now, objects } = context;
    const owned = { address, country, now, objects, ownerId };
    this.#owned.set(request, owned);
    return owned;
  }

  /**
   * Closed by default: a route without a mark is refused to everybody.
   *
   * @throws AddressNotAllowedError when the client may not call from there; PermissionDeniedError naming the permission,
   *   or UserRequiredError, when the identity may not use the route; NotFoundError when it may, but not on this object, or
   *   when that depends on an owner whom nobody has looked up.
   */
  assertAllowed(handler: Marked, controller: Marked, state: AuthState, request: AskingRequest): void {
    const rule = this.ruleOf(handler, controller);
    const context = this.contextOf(request, rule.requirement);
    const verdict = this.verdict(rule, state, context);
    if (verdict === 'unowned') throw notFound(context);
    if (verdict !== null) throw verdict;
  }

  /** The same without throwing, for whoever can look an object's owner up. */
  verdict(rule: RouteRule, state: AuthState, context: AccessContext): Verdict {
    if (rule.isPublic) return null;
    if (rule.requirement === null && rule.self === null)
      return new PermissionDeniedError('This route is open to nobody.');
    if (state.kind === 'byot') return rule.allowsByot ? null : byotRefused();
    if (state.kind === 'client' && state.allowedAddresses !== null && !this.#isWithin(state.allowedAddresses, context))
      return new AddressNotAllowedError();
    if (rule.self !== null) return verdictOnSelf(state, rule.self);
    if (rule.requirement === 'authenticated' || rule.requirement === null) return null;
    return this.#verdictOn(rule.requirement, rule.reaches, state, context);
  }

  /** Whether the identity holds a permission for the objects of the context. What depends on an owner nobody looked up is not held. */
  allows(state: AuthState, permission: string, context: AccessContext): boolean {
    return this.#check.decide(state, permission, context) === 'allowed';
  }

  /**
   * What the identity holds now for every object: `['admin']` when that is all. Of a client without an owner it is its
   * scopes as they are.
   */
  permissionsOf(state: AuthState, context: AccessContext): readonly string[] {
    return this.#check.permissionsOf(state, context);
  }

  /**
   * What the identity holds for every object whatever the circumstances, and without end: what it may give to something
   * that goes on without it. Where a client may call from is not part of it.
   */
  heldOutright(state: AuthState): readonly string[] {
    const anywhere = state.kind === 'client' ? { ...state, allowedAddresses: null } : state;
    return givable(anywhere, OUTRIGHT, this.roles.current);
  }

  /** The objects of a type (`clients`) for which a permission is held, for lists. */
  reach(state: AuthState, permission: string, type: string, context: AccessContext): Reach {
    return this.#check.reach(state, permission, type, context);
  }

  #verdictOn(permission: string, reaches: string | null, state: AuthState, context: AccessContext): Verdict {
    const decision = this.#check.decide(state, permission, context);
    if (decision === 'allowed') return null;
    if (decision === 'unowned') return decision;
    if (decision === 'elsewhere') return notFound(context);
    if (reaches !== null) {
      const { all, ids, ownerId } = this.#check.reach(state, permission, reaches, context);
      if (all || ids.length > 0 || ownerId !== null) return null;
    }
    return new PermissionDeniedError(
      `This route needs the permission "${permission}", which ${lacking(state, permission)}.`,
    );
  }

  #isWithin(list: readonly string[], { address }: AccessContext): boolean {
    let ranges = this.#ranges.get(list);
    if (ranges === undefined) {
      ranges = new AddressRanges(list);
      this.#ranges.set(list, ranges);
    }
    return address !== null && ranges.has(address);
  }
}

/** Whether a list of permissions holds one: `admin` holds all, `<resource>:admin` all of its resource. */
export function holds(scopes: readonly string[], permission: string): boolean {
  return holdsPermission(scopes, permission);
}

function byotRefused(): AppError {
  return new PermissionDeniedError(
    'A provider token alone opens only the LLM routes. Send an API key of this gateway.',
  );
}

/** One's own things are one's own: a user needs nothing for them, but a key or token made for less is good for less. */
function verdictOnSelf(state: Exclude<AuthState, { readonly kind: 'byot' }>, permission: string): AppError | null {
  if (state.kind === 'client' && state.owner === null) return new UserRequiredError();
  if (state.scopes === null || holdsPermission(state.scopes, permission)) return null;
  return new PermissionDeniedError(
    `This route needs the permission "${permission}", which ${lacking(state, permission)}.`,
  );
}

function lacking(state: AuthState, permission: string): string {
  if (state.kind !== 'client') return 'you do not hold';
  const isOwners = state.owner !== null && holdsPermission(state.scopes, permission);
  return isOwners ? "this client's owner does not hold" : 'this client does not hold';
}

/** An object out of reach is answered as one that does not exist, before anything is looked up: alike in body and time. */
function notFound({ objects }: AccessContext): AppError {
  const [object] = objects;
  const noun = object === undefined ? 'such thing' : object.type.replace(/s$/, '').replaceAll('_', ' ');
  return new NotFoundError(`There is no ${noun} with this id.`);
}
