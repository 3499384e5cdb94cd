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
import { answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import {
  ApiIdempotencyKey,
  IdempotencyKey,
  type IdempotentCaller,
} from '../../platform/idempotency/idempotent-call.js';
import { ClientAnswers } from './client-answers.js';
import { ApiClientId } from './client-id.param.js';
import { RotatedSecretView } from './client-secret-view.js';
import { RotateSecretDto, toNewSecret } from './client-secrets.dto.js';
import { ClientSecretsService } from './client-secrets.service.js';
import { Grantors } from './grantors.js';

/** The secrets of a client (contract, section 4). */
@ApiTags('clients')
@Controller('api/v1/clients/:client_id/secrets')
export class ClientSecretsController {
  constructor(
    private readonly secrets: ClientSecretsService,
    private readonly answers: ClientAnswers,
    private readonly grantors: Grantors,
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
  rotate(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @IdempotencyKey() caller: IdempotentCaller | null,
    @JsonBody(RotateSecretDto) body: RotateSecretDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<RotatedSecretView> {
    const grantor = this.grantors.of(request);
    return this.answers.rotated({ reply, grantor, caller, body }, clientId, toNewSecret(body));
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
    const propagation = await this.secrets.revoke(this.grantors.of(request), clientId, secretId);
    return answerEnd(reply, propagation);
  }
}
