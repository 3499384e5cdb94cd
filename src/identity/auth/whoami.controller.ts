import { Controller, Get, Req } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { AllowByot, Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';

interface Whoami {
  method: string;
  client_id: string | null;
  user_id: string | null;
  tier: string | null;
  scopes: readonly string[] | null;
  provider: string | null;
  request_id: string;
}

/** Tells a caller who it is taken for. */
@Controller('api/v1/whoami')
export class WhoamiController {
  @Get()
  @Require('authenticated')
  @AllowByot()
  whoami(@Req() request: HttpRequest): Whoami {
    if (request.identity === null) throw new AuthUnavailableError();
    const { state } = request.identity;
    const client = state.method === 'client' ? state : null;
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
