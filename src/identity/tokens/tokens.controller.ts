import { Controller, HttpCode, HttpStatus, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiConsumes,
  ApiForbiddenResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiServiceUnavailableResponse,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnauthorizedResponse,
} from '@nestjs/swagger';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { Public, Require } from '../../kernel/handler-marks.js';
import { Secret } from '../../kernel/secret.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerEnd, PendingChangeView, presentPending } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { AccessService } from '../access/access.service.js';
import { type Introspection, IntrospectionService } from './introspection.service.js';
import { PresentedToken } from './presented-token.js';
import { RefreshService } from './refresh.service.js';
import { TokenEpochsService } from './token-epochs.service.js';
import { TokenRevocationsService } from './token-revocations.service.js';
import {
  IntrospectionView,
  PresentedTokenDto,
  presentRefreshed,
  RefreshDto,
  RefreshedTokensView,
} from './tokens.dto.js';

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';
const NO_TOKEN_LEFT = 'No replica takes any of them from now on.';
const NOT_EVERYWHERE = 'Revoked; not every replica has confirmed it yet.';

/** What becomes of tokens: renewed, revoked, looked at. */
@ApiTags('tokens')
@Controller('api/v1')
export class TokensController {
  constructor(
    private readonly refreshes: RefreshService,
    private readonly revocations: TokenRevocationsService,
    private readonly epochs: TokenEpochsService,
    private readonly introspection: IntrospectionService,
    private readonly access: AccessService,
  ) {}

  @Post('auth/refresh')
  @Public()
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Exchange a refresh token',
    description:
      'Needs no credential: the refresh token is one. It works once; sent again within ten seconds by the same caller it gives the same refresh token again. Used later, or by another, it ends the session.',
  })
  @ApiOkResponse({ type: RefreshedTokensView })
  @ApiUnauthorizedResponse({ description: '`invalid_token`: unknown, used, or ended with its session.' })
  @ApiTooManyRequestsResponse({ description: 'Too many wrong tokens from this address.' })
  @ApiServiceUnavailableResponse({ description: 'Nothing was exchanged. Try again.' })
  async refresh(
    @Req() request: HttpRequest,
    @JsonBody(RefreshDto, 16_384) body: RefreshDto,
  ): Promise<RefreshedTokensView> {
    const token = new Secret(body.refresh_token);
    return presentRefreshed(await this.refreshes.refresh(token, request.attempt, originOf(request)));
  }

  @Post('auth/revoke')
  @Require('authenticated')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Revoke a token (RFC 7009)',
    description:
      "Of one's own; others with `tokens:delete`. A refresh token ends with its session. What is no token that works is answered alike.",
  })
  @ApiConsumes(FORM, JSON_TYPE)
  @ApiBody({ type: PresentedTokenDto })
  @ApiOkResponse({
    description: 'Revoked. With a body: not every replica has confirmed it yet.',
    type: PendingChangeView,
  })
  @ApiForbiddenResponse({ description: "`permission_denied`: somebody else's, and `tokens:delete` is not held." })
  async revoke(
    @Req() request: HttpRequest,
    @PresentedToken() { token }: PresentedTokenDto,
  ): Promise<PendingChangeView | undefined> {
    const { state } = identityOf(request);
    const mayRevokeAny = this.access.allows(state, 'tokens:delete', this.access.contextOf(request));
    const revoker = { state, mayRevokeAny, origin: originOf(request) };
    return presentPending(await this.revocations.revoke(token, revoker)) ?? undefined;
  }

  @Post('auth/introspect')
  @Require('tokens:read')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Ask whether a token is good now (RFC 7662)' })
  @ApiConsumes(FORM, JSON_TYPE)
  @ApiBody({ type: PresentedTokenDto })
  @ApiOkResponse({ type: IntrospectionView })
  introspect(@PresentedToken() { token }: PresentedTokenDto): Promise<Introspection> {
    return this.introspection.describe(token);
  }

  @Post('users/:user_id/tokens/revoke-all')
  @Require('tokens:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Revoke all tokens of a user' })
  @ApiParam({ name: 'user_id', schema: { type: 'string', example: 'usr_0123456789ABCDEFGHIJ' } })
  @ApiNoContentResponse({ description: NO_TOKEN_LEFT })
  @ApiAcceptedResponse({ description: NOT_EVERYWHERE, type: PendingChangeView })
  async revokeAllOfUser(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.epochs.ofUser(userId, originOf(request)));
  }

  @Post('clients/:client_id/tokens/revoke-all')
  @Require('tokens:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Revoke all short tokens of a client; its keys work on' })
  @ApiParam({ name: 'client_id', schema: { type: 'string', example: 'cn_live_0123456789AB' } })
  @ApiNoContentResponse({ description: NO_TOKEN_LEFT })
  @ApiAcceptedResponse({ description: NOT_EVERYWHERE, type: PendingChangeView })
  async revokeAllOfClient(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.epochs.ofClient(clientId, originOf(request)));
  }

  @Post('tokens/revoke-all')
  @Require('admin')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Revoke all tokens there are',
    description: 'Of every user and every client, the caller included. Takes the scope `admin`.',
  })
  @ApiNoContentResponse({ description: NO_TOKEN_LEFT })
  @ApiAcceptedResponse({ description: NOT_EVERYWHERE, type: PendingChangeView })
  async revokeAll(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.epochs.ofEverybody(originOf(request)));
  }
}

function identityOf({ identity }: HttpRequest) {
  if (identity === null) throw new AuthUnavailableError();
  return identity;
}
