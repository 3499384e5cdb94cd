import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { selfOf } from '../../kernel/auth-state.js';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { AccessService } from '../access/access.service.js';
import { ApiKeysService } from '../clients/api-keys.service.js';
import { SessionManagement } from '../sessions/session-management.service.js';
import { UsersService } from '../users/users.service.js';
import { MeView } from './me.dto.js';

/** Tells a user what there is of theirs. */
@ApiTags('identity')
@Controller('api/v1/me')
export class MeController {
  constructor(
    private readonly access: AccessService,
    private readonly users: UsersService,
    private readonly sessions: SessionManagement,
    private readonly keys: ApiKeysService,
  ) {}

  @Get()
  @RequireSelf('users:read')
  @ApiOperation({ summary: 'Your profile, permissions, sessions and keys' })
  @ApiOkResponse({ type: MeView })
  async me(@Req() request: HttpRequest): Promise<MeView> {
    if (request.identity === null) throw new AuthUnavailableError();
    const { state } = request.identity;
    const userId = selfOf(state);
    if (userId === null) throw new UserRequiredError();
    const currentSession = state.kind === 'user' ? state.sessionId : null;
    const [user, sessions, keys] = await Promise.all([
      this.users.get(userId),
      this.sessions.list(userId, currentSession, {}),
      this.keys.list(userId, {}),
    ]);
    return {
      user: {
        user_id: user.id,
        email: user.email,
        name: user.name,
        status: user.status,
        tier: user.tier,
        created_at: user.createdAt.toISOString(),
      },
      permissions: this.access.permissionsOf(state, this.access.contextOf(request)),
      sessions: sessions.data.map(({ id, current, kind, device, country, created_at, last_seen_at }) => ({
        id,
        current,
        kind,
        device,
        country,
        created_at,
        last_seen_at,
      })),
      api_keys: keys.data.map(({ client_id, name, status, scopes, expires_at }) => ({
        client_id,
        name,
        status,
        scopes,
        expires_at,
      })),
    };
  }
}
