import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiForbiddenResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnauthorizedResponse,
} from '@nestjs/swagger';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerChange } from '../../platform/http/pending-change.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { PendingRaisedSessionView, presentRaised, RaisedSessionView } from './raised-session-view.js';
import { Reauthentication } from './reauthentication.service.js';
import { SessionRises } from './session-rises.js';
import { LOGIN_LIMIT_BYTES, ReauthenticateDto } from './sign-in.dto.js';
import { userWhoAsks } from './user-who-asks.js';

/** The door that whoever is in already goes through once more. No key gets here, whoever it belongs to. */
@ApiTags('sign-in')
@Controller('api/v1/auth')
export class ReauthenticationController {
  constructor(
    private readonly reauthentication: Reauthentication,
    private readonly rises: SessionRises,
    private readonly sessions: SessionsService,
  ) {}

  @Post('reauthenticate')
  @RequireSelf('users:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Prove anew who you are',
    description:
      'For what may be done only shortly after that (`max_auth_age_seconds`). The session goes on; one by cookie gets another cookie and CSRF token, and those before are refused.',
  })
  @ApiOkResponse({
    type: RaisedSessionView,
    description: 'In force on every replica. For a session by cookie, `Set-Cookie` carries the new one.',
  })
  @ApiAcceptedResponse({
    type: PendingRaisedSessionView,
    description: 'The same; not every replica has confirmed it yet.',
  })
  @ApiUnauthorizedResponse({
    description: 'Not your password (`invalid_login`), or the session has ended or another cookie (`invalid_session`).',
  })
  @ApiForbiddenResponse({ description: 'Who calls did not sign in: an API key has no session.' })
  @ApiTooManyRequestsResponse({ description: 'Too many wrong passwords.' })
  async reauthenticate(
    @Req() request: HttpRequest,
    @JsonBody(ReauthenticateDto, LOGIN_LIMIT_BYTES) { password }: ReauthenticateDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RaisedSessionView | PendingRaisedSessionView> {
    const session = this.rises.sessionOf(userWhoAsks(request), request.raw.rawHeaders);
    const facts = this.sessions.factsOf(request);
    const { raised, propagation } = await this.reauthentication.reauthenticate(session, new Secret(password), facts);
    if (raised.cookie !== null) reply.header('set-cookie', raised.cookie.line);
    return answerChange(reply, presentRaised(raised), propagation);
  }
}
