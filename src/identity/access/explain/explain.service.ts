import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError } from '../../../kernel/app-error.js';
import { isId } from '../../../kernel/ids.js';
import { Countries } from '../../../platform/geo/countries.js';
import { AddressRanges } from '../../../platform/http/address-ranges.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { type Principal, PrincipalsService } from '../../principals/principals.service.js';
import type { AccessContext, ObjectRef } from '../check/access-context.js';
import { CompiledGrants, type Decision } from '../check/compiled-grants.js';
import { type Facts, methodsOf, type Proof } from '../check/conditions.js';
import { holdersOf, holds } from '../check/permission-terms.js';
import { PROOF_OF_KEY } from '../check/principal-check.js';
import { ResourceOwners } from '../resource-owners.service.js';
import { RoleGraphs } from '../roles/role-graphs.service.js';
import { type ExplainedClient, ExplainRepository } from './explain.repository.js';
import { type GrantTrace, traceGrants } from './grant-trace.js';

/** What is asked: may this one do that, to this object, like this? What is absent of the circumstances is not known. */
export interface Question {
  readonly principal: { readonly type: 'user' | 'client'; readonly id: string };
  readonly permission: string;
  readonly resource: ObjectRef | null;
  readonly address: string | null;
  readonly country: string | null;
  /** Null: now. */
  readonly at: Date | null;
  readonly method: string | null;
  readonly amr: readonly string[];
  readonly mfa: boolean | null;
  readonly authAgeSeconds: number | null;
}

/** Something that decided, before or beside the grants. */
export type Reason =
  | 'granted'
  | 'granted_by_scope'
  | 'denied_by_grant'
  | 'granted_elsewhere'
  | 'not_granted'
  | 'not_in_scopes'
  | 'not_active'
  | 'expired'
  | 'address_not_allowed';

export interface Explanation {
  readonly question: Question;
  readonly allowed: boolean;
  readonly reason: Reason;
  /** When it was decided for, by PostgreSQL's clock. */
  readonly at: Date;
  /** Of a client: what it may do at most, and the one that holds the permission. */
  readonly scopes: { readonly held: readonly string[]; readonly by: string | null } | null;
  /** Whose grants they are; null where none count. */
  readonly userId: string | null;
  readonly grants: readonly GrantTrace[];
}

/** Says what would be decided for somebody and why, taking and changing nothing. */
@Injectable()
export class ExplainService {
  constructor(
    private readonly principals: PrincipalsService,
    private readonly roles: RoleGraphs,
    private readonly owners: ResourceOwners,
    private readonly repository: ExplainRepository,
    private readonly countries: Countries,
    private readonly clock: DatabaseClock,
  ) {}

  /**
   * @throws InvalidRequestError for a permission that does not exist; NotFoundError for a principal that does not;
   *   AuthUnavailableError, or the driver's error, when PostgreSQL is away and it cannot be known.
   */
  async explain(question: Question): Promise<Explanation> {
    if (!this.roles.current.isKnown(question.permission))
      throw new InvalidRequestError([
        { location: 'body.permission', message: 'is the name of no permission; see GET /api/v1/permissions' },
      ]);
    const context = await this.#contextOf(question);
    return question.principal.type === 'user'
      ? this.#explainUser(question, context)
      : this.#explainClient(question, context);
  }

  async #explainUser(question: Question, context: AccessContext): Promise<Explanation> {
    const { id } = question.principal;
    const user = isId('usr', id) ? await this.principals.current(id) : null;
    if (user === null) throw new NotFoundError('There is no user with this id.');
    const { method, amr, mfa, authAgeSeconds } = question;
    const proof: Proof = {
      methods: method === null && amr.length === 0 ? null : methodsOf(method, amr),
      mfa,
      authenticatedAt: authAgeSeconds === null ? null : context.now - authAgeSeconds * 1000,
    };
    return this.#explainGrants(question, user, { context, proof, userId: id }, null);
  }

  async #explainClient(question: Question, context: AccessContext): Promise<Explanation> {
    const client = await this.repository.findClient(question.principal.id);
    if (client === null) throw new NotFoundError('There is no client with this id.');
    const by = holdersOf(question.permission).find((holder) => client.scopes.includes(holder)) ?? null;
    const scopes = { held: client.scopes, by };
    const refused = refusalOf(client, context, question.permission);
    const owner = client.ownerId === null ? null : await this.principals.current(client.ownerId);
    if (client.ownerId !== null && owner !== null) {
      const facts = { context, proof: PROOF_OF_KEY, userId: client.ownerId };
      const explained = this.#explainGrants(question, owner, facts, scopes);
      return refused === null ? explained : { ...explained, allowed: false, reason: refused };
    }
    const reason = refused ?? (client.ownerId === null ? 'granted_by_scope' : 'not_active');
    return {
      ...base(question, context),
      allowed: reason === 'granted_by_scope',
      reason,
      scopes,
      userId: null,
      grants: [],
    };
  }

  #explainGrants(question: Question, user: Principal, facts: Facts, scopes: Explanation['scopes']): Explanation {
    const graph = this.roles.current;
    const { permission } = question;
    const grants = traceGrants(user.grants, permission, graph, facts);
    const decision = new CompiledGrants(user.grants, graph).decide(permission, facts);
    const reason = user.status === 'active' ? reasonOf(decision, grants) : 'not_active';
    return {
      ...base(question, facts.context),
      allowed: reason === 'granted',
      reason,
      scopes,
      userId: user.userId,
      grants: grants.sort((a, b) => weight(b) - weight(a)),
    };
  }

  async #contextOf({ resource, address, country, at }: Question): Promise<AccessContext> {
    return {
      address,
      country: country ?? (address === null ? null : this.countries.of(address)),
      now: at?.getTime() ?? this.clock.now(),
      objects: resource === null ? [] : [resource],
      ownerId: resource === null ? null : await this.owners.ownerOf(resource),
    };
  }
}

function base(question: Question, { now }: AccessContext) {
  return { question, at: new Date(now) };
}

function refusalOf(client: ExplainedClient, { address, now }: AccessContext, permission: string): Reason | null {
  if (client.status !== 'active') return 'not_active';
  if (client.expiresAt !== null && client.expiresAt.getTime() <= now) return 'expired';
  const { allowedAddresses } = client;
  if (allowedAddresses !== null && (address === null || !new AddressRanges(allowedAddresses).has(address)))
    return 'address_not_allowed';
  return holds(client.scopes, permission) ? null : 'not_in_scopes';
}

function reasonOf(decision: Decision, grants: readonly GrantTrace[]): Reason {
  if (decision === 'allowed') return 'granted';
  if (grants.some(({ grant, counts }) => counts && grant.effect === 'deny')) return 'denied_by_grant';
  return decision === 'elsewhere' ? 'granted_elsewhere' : 'not_granted';
}

/** What decided comes first: denials that count, then what allows. */
function weight({ grant, counts, inScope }: GrantTrace): number {
  return (counts ? 4 : 0) + (grant.effect === 'deny' ? 2 : 0) + (inScope ? 1 : 0);
}
