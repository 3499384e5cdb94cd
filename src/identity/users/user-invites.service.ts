import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { type Author, GrantsService } from '../access/grants/grants.service.js';
import type { UserManager } from './user-manager.js';
import type { User } from './users.repository.js';
import { type NewUser, UsersService } from './users.service.js';

/** Everywhere, always, without end. */
const OUTRIGHT = {
  effect: 'allow',
  scopeType: 'all',
  scopeResource: null,
  scopeId: null,
  conditions: null,
  expiresAt: null,
} as const;

/** Inviting people, with the roles they come for. */
@Injectable()
export class UserInvites {
  constructor(
    private readonly users: UsersService,
    private readonly grants: GrantsService,
  ) {}

  /**
   * Makes a user and gives them roles: all of it or nothing. Nobody gives what they do not hold.
   *
   * @throws as `UsersService.invite` and `GrantsService.give`.
   */
  invite(manager: UserManager, author: Author, input: NewUser, roleIds: readonly string[]): Promise<User> {
    return this.users.invite(manager, input, async ({ id }, transaction) => {
      for (const roleId of roleIds) {
        const grant = { ...OUTRIGHT, roleId, reason: 'given with the invitation' };
        await this.grants.giveWithin(transaction, author, id, grant).catch((error: unknown) => {
          throw error instanceof InvalidRequestError ? inBody(error) : error;
        });
      }
    });
  }
}

/** The same refusal, of the field that this body has for it. */
function inBody(error: InvalidRequestError): InvalidRequestError {
  return new InvalidRequestError(
    (error.errors ?? []).map(({ message }) => ({ location: 'body.initial_roles', message })),
  );
}
