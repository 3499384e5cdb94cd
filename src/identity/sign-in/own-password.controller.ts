import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerChange, answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { OwnAccount } from '../users/own-account.service.js';
import { PendingRaisedSessionView, presentRaised, RaisedSessionView } from './raised-session-view.js';
import { SessionRises } from './session-rises.js';
import { ChangePasswordDto, LOGIN_LIMIT_BYTES } from './sign-in.dto.js';
import { userWhoAsks } from './user-who-asks.js';

/** A signed-in person's own password. No key gets here, whoever it belongs to. */
@ApiTags('identity')
@Controller('api/v1/me')
export class OwnPasswordController {
  constructor(
    private readonly account: OwnAccount,
    private readonly rises: SessionRises,
  ) {}

  @Post('password')
  @RequireSelf('users:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Change your password',
    description:
      'Ends all your other sessions and tokens. This session goes on; one by cookie gets another cookie and CSRF token, and those before are refused.',
  })
  @ApiExtraModels(PendingChangeView, PendingRaisedSessionView)
  @ApiNoContentResponse({ description: 'Changed; nothing from before is accepted by any replica, but this session.' })
  @ApiOkResponse({
    type: RaisedSessionView,
    description: 'The same in a session by cookie; `Set-Cookie` carries the new one.',
  })
  @ApiAcceptedResponse({
    description: 'Changed; not every replica has confirmed it yet.',
    schema: {
      oneOf: [{ $ref: getSchemaPath(PendingChangeView) }, { $ref: getSchemaPath(PendingRaisedSessionView) }],
    },
  })
  @ApiBadRequestResponse({ description: 'The present password is wrong, or the new one is not taken.' })
  async changePassword(
    @Req() request: HttpRequest,
    @JsonBody(ChangePasswordDto, LOGIN_LIMIT_BYTES) body: ChangePasswordDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RaisedSessionView | PendingRaisedSessionView | PendingChangeView | undefined> {
    const session = this.rises.sessionOf(userWhoAsks(request), request.raw.rawHeaders);
    const passwords = { current: new Secret(body.current_password), next: new Secret(body.new_password) };
    const self = { userId: session.userId, sessionId: session.sessionId, origin: originOf(request) };
    const { result: raised, propagation } = await this.account.changePassword(self, passwords, (transaction) =>
      this.rises.raise(session, transaction),
    );
    if (raised.cookie === null) return answerEnd(reply, propagation);
    reply.status(HttpStatus.OK).header('set-cookie', raised.cookie.line);
    return answerChange(reply, presentRaised(raised), propagation);
  }
}
