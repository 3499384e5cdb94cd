import { Controller, Delete, HttpCode, HttpStatus, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { IdempotencyService, type Mint } from '../../platform/idempotency/idempotency.service.js';
import {
  ApiIdempotencyKey,
  callWith,
  IdempotencyKey,
  type IdempotentCaller,
  markReplayed,
} from '../../platform/idempotency/idempotent-call.js';
import { presentRotation, RotatedSecretView } from './client-secret-view.js';
import { RotateSecretDto, toNewSecret } from './client-secrets.dto.js';
import { ClientSecretsService, type RotatedClient } from './client-secrets.service.js';
import { PendingChangeView, presentPending } from './client-view.js';
import { ClientsService } from './clients.service.js';
import { grantorOf } from './grantor.js';

const ApiClientId = () => ApiParam({ name: 'client_id', schema: { type: 'string', example: 'cn_live_0123456789AB' } });

/** The secrets of a client (contract, section 4). */
@ApiTags('clients')
@Controller('api/v1/clients/:client_id/secrets')
export class ClientSecretsController {
  constructor(
    private readonly secrets: ClientSecretsService,
    private readonly clients: ClientsService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post()
  @Require('clients:write')
  @RateClasses('general', 'key_creation')
  @ApiOperation({ summary: 'Make another secret, shown this once, and give those before it an end' })
  @ApiClientId()
  @ApiIdempotencyKey()
  @ApiCreatedResponse({ type: RotatedSecretView })
  @ApiAcceptedResponse({
    type: RotatedSecretView,
    description: 'With overlap 0: made, and the secrets before it revoked; not every replica has confirmed that yet.',
  })
  async rotate(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @IdempotencyKey() caller: IdempotentCaller | null,
    @JsonBody(RotateSecretDto) body: RotateSecretDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RotatedSecretView> {
    const { answer, replayed } = await this.idempotency.once(
      callWith(caller, body),
      presentRotation,
      (mint: Mint<RotatedClient>) => this.secrets.rotate(grantorOf(request), clientId, toNewSecret(body), mint),
    );
    if (replayed) await this.clients.assertMayBeShown(grantorOf(request), clientId);
    markReplayed(reply, replayed);
    const pending = presentPending(await this.secrets.follow(clientId, answer.change));
    if (pending !== null && body.expire_previous_in_seconds === 0) reply.status(HttpStatus.ACCEPTED);
    return { ...answer.view, ...pending };
  }

  @Delete(':id')
  @Require('clients:write')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Revoke a secret' })
  @ApiClientId()
  @ApiParam({ name: 'id', schema: { type: 'string', example: 'sec_0123456789ABCDEF' } })
  @ApiNoContentResponse({ description: 'Revoked: no replica accepts a request with it that starts from now on.' })
  @ApiAcceptedResponse({ description: 'Revoked; not every replica has confirmed it yet.', type: PendingChangeView })
  async revoke(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @Param('id') secretId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const pending = presentPending(await this.secrets.revoke(grantorOf(request), clientId, secretId));
    if (pending === null) return undefined;
    reply.status(HttpStatus.ACCEPTED);
    return pending;
  }
}
