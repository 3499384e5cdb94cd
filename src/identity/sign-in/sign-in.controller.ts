import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiExtraModels,
  ApiForbiddenResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnauthorizedResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { Public, RateClasses, RequireSelf } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { KnownDevices } from '../sessions/devices/known-devices.service.js';
import { SessionCookieService } from '../sessions/session-cookie.service.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { PresentedSessions } from './presented-sessions.js';
import { CookieSignInView, LOGIN_LIMIT_BYTES, LoginDto, TokenSignInView } from './sign-in.dto.js';
import { SignInService } from './sign-in.service.js';
import { presentSignIn } from './sign-in-view.js';
import { SignOutService } from './sign-out.service.js';
import { userWhoAsks } from './user-who-asks.js';

/** The doors in and out. */
@ApiTags('sign-in')
@Controller('api/v1/auth')
export class SignInController {
  constructor(
    private readonly signIns: SignInService,
    private readonly signOuts: SignOutService,
    private readonly presented: PresentedSessions,
    private readonly sessions: SessionsService,
    private readonly devices: KnownDevices,
    private readonly cookies: SessionCookieService,
  ) {}

  @Post('login')
  @Public()
  @RateClasses('login')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Sign in',
    description:
      'Needs no credential; one that is sent is not looked at. After wrong passwords of an account the answer is 429 for a while, without looking at the password; on a device that was used before, others do not bring that about.',
  })
  @ApiExtraModels(TokenSignInView, CookieSignInView)
  @ApiOkResponse({
    description: 'Signed in. With mode `cookie`, `Set-Cookie` carries the session.',
    schema: { oneOf: [{ $ref: getSchemaPath(TokenSignInView) }, { $ref: getSchemaPath(CookieSignInView) }] },
  })
  @ApiUnauthorizedResponse({ description: 'Not the address and password of a user who may sign in.' })
  @ApiTooManyRequestsResponse({ description: 'Too many sign-ins from this address, or wrong passwords.' })
  async login(
    @Req() request: HttpRequest,
    @JsonBody(LoginDto, LOGIN_LIMIT_BYTES) body: LoginDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<TokenSignInView | CookieSignInView> {
    const { email, password, mode = 'token', remember_me: remember = false } = body;
    const presented = mode === 'cookie' ? await this.presented.of(request.raw.rawHeaders) : null;
    const completion = { mode, remember, presented, facts: this.sessions.factsOf(request) };
    const signedIn = await this.signIns.signIn({ email, password: new Secret(password) }, completion);
    const { session, secret } = signedIn.opened;
    reply.header('set-cookie', this.devices.cookieOf(session.deviceId));
    if (secret === null) return presentSignIn(signedIn);
    const { id: sessionId, userId } = session;
    reply.header('set-cookie', this.cookies.set({ userId, sessionId, secret }, remember));
    return presentSignIn(signedIn, this.cookies.csrfTokenOf(secret));
  }

  @Post('logout')
  @RequireSelf('sessions:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Sign out', description: 'Ends the session, its cookie and all its tokens.' })
  @ApiNoContentResponse({ description: 'Ended on every replica.' })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Ended; not every replica has confirmed it yet.' })
  @ApiForbiddenResponse({ description: 'Who calls did not sign in: an API key has no session.' })
  async logout(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const state = userWhoAsks(request);
    const propagation = await this.signOuts.signOut(state, originOf(request));
    if (state.method === 'session') reply.header('set-cookie', this.cookies.clear());
    return answerEnd(reply, propagation);
  }
}
