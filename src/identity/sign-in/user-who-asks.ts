import type { UserAuth } from '../../kernel/auth-state.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import type { HttpRequest } from '../../platform/http/http-request.js';

/** The session a person asks in. @throws UserRequiredError for a key, its owner's or not: it proves nobody's presence. */
export function userWhoAsks({ identity }: HttpRequest): UserAuth {
  const state = identity?.state;
  if (state?.kind !== 'user') throw new UserRequiredError();
  return state;
}
