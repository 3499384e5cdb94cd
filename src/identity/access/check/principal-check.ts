import type { AuthState, ClientAuth, UserAuth } from '../../../kernel/auth-state.js';
import type { Grant } from '../../../kernel/grant.js';
import { ADMIN_SCOPE } from '../../../kernel/handler-marks.js';
import type { RoleGraph } from '../roles/role-graph.js';
import type { AccessContext } from './access-context.js';
import { CompiledGrants, type Decision, type Reach } from './compiled-grants.js';
import { type Facts, methodsOf, type Proof } from './conditions.js';
import { holds } from './permission-terms.js';

/** A key proves no more by the short token it was exchanged for. It says nothing of its owner's sign-in. */
export const PROOF_OF_KEY: Proof = { methods: methodsOf('client', []), authenticatedAt: null, mfa: null };

const EVERYTHING: Reach = { all: true, ids: [], ownerId: null, except: [] };
const NOTHING: Reach = { all: false, ids: [], ownerId: null, except: [] };

/**
 * What an identity holds: a client its scopes; a key of a user its scopes as far as its owner holds them at this moment;
 * a user their grants, as far as their token was not narrowed.
 */
export class PrincipalCheck {
  /** By the very list: one is shared by all requests that a remembered principal answers. */
  readonly #compiled = new WeakMap<readonly Grant[], CompiledGrants>();

  /** @param graph gives the graph of now; another one voids what was made under the one before. */
  constructor(private readonly graph: () => RoleGraph) {}

  decide(state: AuthState, permission: string, context: AccessContext): Decision {
    switch (state.kind) {
      case 'byot':
        return 'denied';
      case 'client':
        return this.#decideForClient(state, permission, context);
      case 'user':
        if (state.scopes !== null && !holds(state.scopes, permission)) return 'denied';
        return this.compiled(state.grants).decide(permission, factsOf(state, context));
    }
  }

  reach(state: AuthState, permission: string, type: string, context: AccessContext): Reach {
    if (state.kind === 'byot') return NOTHING;
    if (state.scopes !== null && !holds(state.scopes, permission)) return NOTHING;
    if (state.kind === 'user') return this.compiled(state.grants).reach(permission, type, factsOf(state, context));
    if (state.owner === null) return EVERYTHING;
    return this.compiled(state.owner.grants).reach(permission, type, factsOfKey(state.owner.userId, context));
  }

  /** What is held for every object: `['admin']` for all of it; of a client without an owner its scopes as they are. */
  permissionsOf(state: AuthState, context: AccessContext): readonly string[] {
    if (state.kind === 'byot') return [];
    if (state.kind === 'client' && state.owner === null)
      return state.scopes.includes(ADMIN_SCOPE) ? [ADMIN_SCOPE] : state.scopes;
    const anywhere = { ...flat(context), objects: [] };
    const held = (permission: string) => this.decide(state, permission, anywhere) === 'allowed';
    return held(ADMIN_SCOPE) ? [ADMIN_SCOPE] : this.graph().permissions.filter(held);
  }

  compiled(grants: readonly Grant[]): CompiledGrants {
    const graph = this.graph();
    let compiled = this.#compiled.get(grants);
    if (compiled === undefined || compiled.graph !== graph) {
      compiled = new CompiledGrants(grants, graph);
      this.#compiled.set(grants, compiled);
    }
    return compiled;
  }

  #decideForClient(state: ClientAuth, permission: string, context: AccessContext): Decision {
    if (!holds(state.scopes, permission)) return 'denied';
    if (state.owner === null) return 'allowed';
    return this.compiled(state.owner.grants).decide(permission, factsOfKey(state.owner.userId, context));
  }
}

/** What conditions can ask of a user. Most checks ask nothing: their names are put together when one does. */
export function factsOf(state: UserAuth, context: AccessContext): Facts {
  return new FactsOfUser(state, context);
}

class FactsOfUser implements Facts {
  constructor(
    private readonly state: UserAuth,
    readonly context: AccessContext,
  ) {}

  get userId(): string {
    return this.state.userId;
  }

  get proof(): Proof {
    const { method, amr, authenticatedAt, mfa } = this.state;
    return { methods: methodsOf(method, amr), authenticatedAt, mfa };
  }
}

function factsOfKey(userId: string, context: AccessContext): Facts {
  return { context, proof: PROOF_OF_KEY, userId };
}

/** A copy without looking the country up before it is asked for. */
function flat(context: AccessContext): AccessContext {
  return {
    address: context.address,
    now: context.now,
    objects: context.objects,
    get country() {
      return context.country;
    },
  };
}
