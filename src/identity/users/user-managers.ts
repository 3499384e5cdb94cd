import { Injectable } from '@nestjs/common';
import { AuthUnavailableError, PermissionDeniedError } from '../../kernel/app-error.js';
import { selfOf } from '../../kernel/auth-state.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { originOf } from '../../records/audit/audit.service.js';
import { AccessService, holds } from '../access/access.service.js';
import { type Author, authorOf, GrantsService } from '../access/grants/grants.service.js';
import type { UserManager } from './user-manager.js';
import type { VisibleUsers } from './users-list.repository.js';

const GIVING = 'grants:write';
const GIVING_KEYS = 'api_keys:admin';

/** Callers, as far as what they hold limits what they may do with users. From memory, whatever is away. */
@Injectable()
export class UserManagers {
  constructor(
    private readonly access: AccessService,
    private readonly grants: GrantsService,
  ) {}

  of(request: HttpRequest): UserManager {
    const author = authorOf(request, this.access.contextOf(request));
    return {
      origin: originOf(request),
      assertMayManage: (userId, transaction) => this.grants.assertMayManage(author, userId, transaction),
    };
  }

  /**
   * The caller as somebody who makes `heirId` the heir of a user's keys. Whoever has a key of somebody acts for them, for
   * longer than the caller may hold anything.
   *
   * @throws PermissionDeniedError unless `api_keys:admin` is held outright, but for the caller's own sake.
   */
  handingOver(request: HttpRequest, heirId: string | null): UserManager {
    if (request.identity === null) throw new AuthUnavailableError();
    const { state } = request.identity;
    const mayGive = heirId === null || heirId === selfOf(state);
    if (!mayGive && !holds(this.access.heldOutright(state), GIVING_KEYS))
      throw new PermissionDeniedError(
        `You may be the heir yourself; handing keys over to another user takes "${GIVING_KEYS}".`,
      );
    return this.of(request);
  }

  /** The users that the caller may read; who somebody owns is themselves alone. */
  visibleTo(request: HttpRequest): VisibleUsers {
    if (request.identity === null) throw new AuthUnavailableError();
    const context = this.access.contextOf(request);
    const { all, ids, ownerId, except } = this.access.reach(request.identity.state, 'users:read', 'users', context);
    return { all, ids: ownerId === null ? ids : [...ids, ownerId], except };
  }

  /** The caller as somebody who gives roles. @throws PermissionDeniedError without `grants:write`. */
  givingRoles(request: HttpRequest): Author {
    const context = this.access.contextOf(request);
    const author = authorOf(request, context);
    if (author.caller !== null && !this.access.allows(author.caller.state, GIVING, context))
      throw new PermissionDeniedError(`initial_roles needs the permission "${GIVING}", which you do not hold.`);
    return author;
  }
}
