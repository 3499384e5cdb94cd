import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { AllowByot, Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { WhoamiView } from './whoami.dto.js';

/** Tells a caller who it is taken for. */
@ApiTags('identity')
@Controller('api/v1/whoami')
export class WhoamiController {
  @Get()
  @Require('authenticated')
  @AllowByot()
  @ApiOperation({ summary: 'Who the caller is taken for' })
  @ApiOkResponse({ type: WhoamiView })
  whoami(@Req() request: HttpRequest): WhoamiView {
    if (request.identity === null) throw new AuthUnavailableError();
    const { state } = request.identity;
    const client = state.kind === 'client' ? state : null;
    return {
      method: state.method,
      client_id: client?.clientId ?? null,
      user_id: null,
      tier: client?.tier ?? null,
      scopes: client?.scopes ?? null,
      provider: state.providerToken?.provider ?? null,
      request_id: request.record.requestId,
    };
  }
}
