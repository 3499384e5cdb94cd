import { Controller, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBadRequestResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { originOf } from '../../records/audit/audit.service.js';
import { OwnAccount, type Self } from './own-account.service.js';
import { MailPromisedView } from './user-view.js';
import { ACCOUNT_BODY_LIMIT_BYTES, ChangeEmailDto } from './users.dto.js';

/** A signed-in person's own address. No key gets here, whoever it belongs to. */
@ApiTags('identity')
@Controller('api/v1/me')
export class OwnAccountController {
  constructor(private readonly account: OwnAccount) {}

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
