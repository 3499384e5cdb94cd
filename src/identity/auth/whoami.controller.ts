import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { selfOf } from '../../kernel/auth-state.js';
import { AllowByot, Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { AccessService } from '../access/access.service.js';
import { WhoamiView } from './whoami.dto.js';

/** Tells a caller who it is taken for. */
@ApiTags('identity')
@Controller('api/v1/whoami')
export class WhoamiController {
  constructor(private readonly access: AccessService) {}

  @Get()
  @Require('authenticated')
  @AllowByot()
  @ApiOperation({ summary: 'Who the caller is taken for' })
  @ApiOkResponse({ type: WhoamiView })
  whoami(@Req() request: HttpRequest): WhoamiView {
    if (request.identity === null) throw new AuthUnavailableError();
    const { state } = request.identity;
    const context = this.access.contextOf(request);
    return {
      method: state.method,
      client_id: state.kind === 'client' ? state.clientId : null,
      user_id: selfOf(state),
      tier: state.kind === 'byot' ? null : state.tier,
      scopes: state.kind === 'byot' ? null : this.access.permissionsOf(state, context),
      provider: state.providerToken?.provider ?? null,
      request_id: request.record.requestId,
    };
  }
}
