import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Public, RateClasses } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerChange, answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { EmailChanges } from './email-changes.service.js';
import { InvitationsService } from './invitations.service.js';
import { PasswordResets } from './password-resets.service.js';
import { MailPromisedView, PendingUserView, presentUser, UserView } from './user-view.js';
import {
  ACCOUNT_BODY_LIMIT_BYTES,
  AcceptInvitationDto,
  ForgotPasswordDto,
  ResetPasswordDto,
  VerifyEmailDto,
} from './users.dto.js';

const NOT_VALID = { description: 'The token is not valid (any more), or the password is not taken.' };

/** The doors for whoever has no credential yet, or none any more: the token of a mail is the proof. */
@ApiTags('sign-in')
@Controller('api/v1/auth')
export class AccountsController {
  constructor(
    private readonly invitations: InvitationsService,
    private readonly resets: PasswordResets,
    private readonly emails: EmailChanges,
  ) {}

  @Post('accept-invite')
  @Public()
  @RateClasses('login')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Accept an invitation',
    description: 'Sets the first password. Sign in with it afterwards.',
  })
  @ApiOkResponse({ type: UserView })
  @ApiAcceptedResponse({ type: PendingUserView, description: 'Done; not every replica has confirmed it yet.' })
  @ApiBadRequestResponse(NOT_VALID)
  async accept(
    @Req() request: HttpRequest,
    @JsonBody(AcceptInvitationDto, ACCOUNT_BODY_LIMIT_BYTES) body: AcceptInvitationDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<UserView | PendingUserView> {
    const { token, password, name } = body;
    const { user, propagation } = await this.invitations.accept(originOf(request), {
      token: new Secret(token),
      password: new Secret(password),
      ...(name !== undefined && { name }),
    });
    return answerChange(reply, presentUser(user), propagation);
  }

  @Post('verify-email')
  @Public()
  @RateClasses('login')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Prove an e-mail address', description: 'It is yours from then on.' })
  @ApiOkResponse({ type: UserView })
  @ApiAcceptedResponse({ type: PendingUserView, description: 'Done; not every replica has confirmed it yet.' })
  @ApiBadRequestResponse({ description: 'The token is not valid (any more).' })
  async verify(
    @Req() request: HttpRequest,
    @JsonBody(VerifyEmailDto, ACCOUNT_BODY_LIMIT_BYTES) { token }: VerifyEmailDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<UserView | PendingUserView> {
    const { user, propagation } = await this.emails.verify(originOf(request), new Secret(token));
    return answerChange(reply, presentUser(user), propagation);
  }

  @Post('forgot-password')
  @Public()
  @RateClasses('login')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({
    summary: 'Ask for a new password',
    description:
      'Whoever has this address gets a mail with a token that is good for an hour. Nothing here tells whether anybody has.',
  })
  @ApiAcceptedResponse({ type: MailPromisedView })
  async forgot(
    @JsonBody(ForgotPasswordDto, ACCOUNT_BODY_LIMIT_BYTES) { email }: ForgotPasswordDto,
  ): Promise<MailPromisedView> {
    await this.resets.request(email);
    return { mail: 'promised' };
  }

  @Post('reset-password')
  @Public()
  @RateClasses('login')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Set a new password', description: 'Ends every session and token of the user.' })
  @ApiNoContentResponse({ description: 'Set; nothing from before is accepted by any replica.' })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Set; not every replica has confirmed it yet.' })
  @ApiBadRequestResponse(NOT_VALID)
  async reset(
    @Req() request: HttpRequest,
    @JsonBody(ResetPasswordDto, ACCOUNT_BODY_LIMIT_BYTES) { token, password }: ResetPasswordDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const asked = { token: new Secret(token), password: new Secret(password) };
    return answerEnd(reply, await this.resets.reset(originOf(request), asked));
  }
}
