import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { PermissionDeniedError } from '../../kernel/app-error.js';
import { Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { csrfTokenOf } from './csrf.js';
import { readSessionCookie } from './session-cookie.js';

/** What a page of the console sends with everything that may change something. */
class CsrfTokenView {
  @ApiProperty({ description: 'To be sent as `X-CSRF-Token`; good until the session ends or its cookie changes.' })
  csrf_token!: string;
}

/** Gives the pages of a session its CSRF token: other sites cannot read the answer. */
@ApiTags('sessions')
@Controller('api/v1/auth/csrf')
export class CsrfController {
  @Get()
  @Require('authenticated')
  @ApiOperation({ summary: 'The CSRF token of your session by cookie' })
  @ApiOkResponse({ type: CsrfTokenView })
  get(@Req() request: HttpRequest): CsrfTokenView {
    const cookie = request.identity?.state.method === 'session' ? readSessionCookie(request.raw.rawHeaders) : null;
    if (cookie === null)
      throw new PermissionDeniedError('Only sessions by cookie have a CSRF token. Your credential needs none.');
    return { csrf_token: csrfTokenOf(cookie.secret) };
  }
}
