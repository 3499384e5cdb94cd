import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiNoContentResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { OwnAccount, type Self } from './own-account.service.js';
import { MailPromisedView } from './user-view.js';
import { ACCOUNT_BODY_LIMIT_BYTES, ChangeEmailDto, ChangePasswordDto } from './users.dto.js';

/** A signed-in person's own password and address. No key gets here, whoever it belongs to. */
@ApiTags('identity')
@Controller('api/v1/me')
export class OwnAccountController {
  constructor(private readonly account: OwnAccount) {}

  @Post('password')
  @RequireSelf('users:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Change your password', description: 'Ends all your other sessions and tokens.' })
  @ApiNoContentResponse({ description: 'Changed; nothing from before is accepted by any replica, but this session.' })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Changed; not every replica has confirmed it yet.' })
  @ApiBadRequestResponse({ description: 'The present password is wrong, or the new one is not taken.' })
  async changePassword(
    @Req() request: HttpRequest,
    @JsonBody(ChangePasswordDto, ACCOUNT_BODY_LIMIT_BYTES) body: ChangePasswordDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const { current_password, new_password } = body;
    const passwords = [new Secret(current_password), new Secret(new_password)] as const;
    return answerEnd(reply, await this.account.changePassword(selfWhoAsks(request), ...passwords));
  }

  @Post('email')
  @RequireSelf('users:write')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Take another e-mail address',
    description:
      'A mail with a token goes there; the address is yours once the token came back. Your own, to prove it.',
  })
  @ApiAcceptedResponse({ type: MailPromisedView })
  @ApiBadRequestResponse({ description: 'The present password is wrong.' })
  async changeEmail(
    @Req() request: HttpRequest,
    @JsonBody(ChangeEmailDto, ACCOUNT_BODY_LIMIT_BYTES) { current_password, email }: ChangeEmailDto,
  ): Promise<MailPromisedView> {
    await this.account.changeEmail(selfWhoAsks(request), new Secret(current_password), email);
    return { mail: 'promised' };
  }
}

/** @throws UserRequiredError for a key, its owner's or not: it proves nobody's presence. */
function selfWhoAsks(request: HttpRequest): Self {
  const state = request.identity?.state;
  if (state?.kind !== 'user') throw new UserRequiredError();
  return { userId: state.userId, sessionId: state.sessionId, origin: originOf(request) };
}
