import { Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { type AuthState, selfOf } from '../../kernel/auth-state.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { originOf } from '../../records/audit/audit.service.js';
import { AccessService } from '../access/access.service.js';
import type { VisibleClients } from './clients-list.repository.js';
import { type Grantor, NO_LISTS, type SelfGrantor } from './grantor.js';

/**
 * Callers, as far as what they hold limits what they may do with clients: a client its scopes, a user and a user's key
 * what their grants give them at this moment for everything, and outright. From memory, whatever is away.
 */
@Injectable()
export class Grantors {
  constructor(private readonly access: AccessService) {}

  /** The caller, for any client. */
  of(request: HttpRequest): Grantor {
    const state = stateOf(request);
    const { allowedAddresses, allowedModels, allowedProviders } = state.kind === 'client' ? state : NO_LISTS;
    return {
      allowedAddresses,
      allowedModels,
      allowedProviders,
      scopes: this.access.permissionsOf(state, this.access.contextOf(request)),
      lasting: this.access.heldOutright(state),
      origin: originOf(request),
      selfId: selfOf(state),
      ownerId: null,
    };
  }

  /** The caller, for the clients of the user it acts for. @throws UserRequiredError when it acts for nobody. */
  ofSelf(request: HttpRequest): SelfGrantor {
    const state = stateOf(request);
    if (state.kind === 'byot') throw new UserRequiredError();
    return { ...this.of(request), ownerId: this.selfOf(request), tier: state.tier };
  }

  /** The user the caller acts for. @throws UserRequiredError when there is none. */
  selfOf(request: HttpRequest): string {
    const userId = selfOf(stateOf(request));
    if (userId === null) throw new UserRequiredError();
    return userId;
  }

  /** The clients that the caller may read. */
  visibleTo(request: HttpRequest): VisibleClients {
    return this.access.reach(stateOf(request), 'clients:read', 'clients', this.access.contextOf(request));
  }
}

function stateOf({ identity }: HttpRequest): AuthState {
  if (identity === null) throw new AuthUnavailableError();
  return identity.state;
}
