import { Injectable } from '@nestjs/common';
import { AuthUnavailableError, PermissionDeniedError } from '../../kernel/app-error.js';
import { ADMIN_SCOPE } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { originOf } from '../../records/audit/audit.service.js';
import { AccessService } from '../access/access.service.js';
import { type Author, authorOf } from '../access/grants/grants.service.js';
import type { UserManager } from './user-manager.js';
import type { VisibleUsers } from './users-list.repository.js';

const GIVING = 'grants:write';

/** Callers, as far as what they hold limits what they may do with users. From memory, whatever is away. */
@Injectable()
export class UserManagers {
  constructor(private readonly access: AccessService) {}

  of(request: HttpRequest): UserManager {
    if (request.identity === null) throw new AuthUnavailableError();
    const held = this.access.permissionsOf(request.identity.state, this.access.contextOf(request));
    return { origin: originOf(request), administers: held.includes(ADMIN_SCOPE) };
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
