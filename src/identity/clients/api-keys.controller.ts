import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { RateClasses, Require, RequireSelf } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import type { Page } from '../../platform/http/list-query.js';
import { answerChange, answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import {
  ApiIdempotencyKey,
  IdempotencyKey,
  type IdempotentCaller,
} from '../../platform/idempotency/idempotent-call.js';
import { CreateApiKeyDto, toNewApiKey, UpdateApiKeyDto } from './api-keys.dto.js';
import { ApiKeysService } from './api-keys.service.js';
import { ClientAnswers } from './client-answers.js';
import { ApiClientId } from './client-id.param.js';
import { ClientPageView, ClientView, CreatedClientView, PendingClientView, presentClient } from './client-view.js';
import { toChanges } from './clients.dto.js';
import { ClientsService } from './clients.service.js';
import { API_KEY_LIST } from './clients-list.service.js';
import { Grantors } from './grantors.js';

/** A user's own keys: of whoever is signed in, or of the owner of the key that calls. */
@ApiTags('api keys')
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly clients: ClientsService,
    private readonly answers: ClientAnswers,
    private readonly grantors: Grantors,
  ) {}

  @Post()
  @Require('api_keys:write')
  @RateClasses('general', 'key_creation')
  @ApiOperation({
    summary: 'Make a key of your own; its secret is shown this once',
    description:
      'It is a client that belongs to you. It gets no scope that you do not hold, and at every moment it holds only what you hold yourself.',
  })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({ type: CreatedClientView })
  create(
    @Req() request: HttpRequest,
    @IdempotencyKey() caller: IdempotentCaller | null,
    @JsonBody(CreateApiKeyDto) body: CreateApiKeyDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<CreatedClientView> {
    const grantor = this.grantors.ofSelf(request);
    return this.answers.created({ reply, grantor, caller, body }, (mint) =>
      this.keys.create(grantor, toNewApiKey(body), mint),
    );
  }

  @Get()
  @RequireSelf('api_keys:read')
  @ApiOperation({ summary: 'List your keys' })
  @ApiListQuery(API_KEY_LIST)
  @ApiOkResponse({ type: ClientPageView })
  list(@Req() request: HttpRequest, @Query() raw: Record<string, unknown>): Promise<Page<ClientView>> {
    return this.keys.list(this.grantors.selfOf(request), raw);
  }

  @Get(':client_id')
  @RequireSelf('api_keys:read')
  @ApiOperation({ summary: 'Show a key of yours' })
  @ApiClientId()
  @ApiOkResponse({ type: ClientView })
  async get(@Req() request: HttpRequest, @Param('client_id') clientId: string): Promise<ClientView> {
    return presentClient(await this.keys.get(this.grantors.selfOf(request), clientId));
  }

  @Patch(':client_id')
  @Require('api_keys:write')
  @ApiOperation({ summary: 'Change a key of yours; its scopes can only become fewer' })
  @ApiClientId()
  @ApiOkResponse({ type: ClientView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingClientView, description: 'Changed; not every replica has confirmed it yet.' })
  async update(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @JsonBody(UpdateApiKeyDto) body: UpdateApiKeyDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<ClientView | PendingClientView> {
    const { client, propagation } = await this.keys.update(this.grantors.ofSelf(request), clientId, toChanges(body));
    return answerChange(reply, presentClient(client), propagation);
  }

  @Delete(':client_id')
  @RequireSelf('api_keys:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Revoke a key of yours' })
  @ApiClientId()
  @ApiNoContentResponse({ description: 'Revoked: no replica accepts a request that starts from now on.' })
  @ApiAcceptedResponse({ description: 'Revoked; not every replica has confirmed it yet.', type: PendingChangeView })
  async revoke(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.clients.revoke(this.grantors.ofSelf(request), clientId));
  }
}
