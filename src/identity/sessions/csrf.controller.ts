import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { csrfTokenOf } from './csrf.js';
import { readSessionCookie } from './session-cookie.js';

/** What a page of the console sends with everything that may change something. */
class CsrfTokenView {
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'To be sent as `X-CSRF-Token`; good until the session ends or its cookie changes. Null: your credential is no cookie, and needs none.',
  })
  csrf_token!: string | null;
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
    return { csrf_token: cookie === null ? null : csrfTokenOf(cookie.secret) };
  }
}
