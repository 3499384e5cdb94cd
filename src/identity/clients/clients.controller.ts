import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { RateClasses, Require, WithinReach } from '../../kernel/handler-marks.js';
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
import { ClientAnswers } from './client-answers.js';
import { ApiClientId } from './client-id.param.js';
import { ClientPageView, ClientView, CreatedClientView, PendingClientView, presentClient } from './client-view.js';
import { CreateClientDto, toChanges, toNewClient, UpdateClientDto } from './clients.dto.js';
import { ClientsService } from './clients.service.js';
import { CLIENT_LIST, ClientsListService } from './clients-list.service.js';
import { Grantors } from './grantors.js';

/** Management of clients (contract, section 4). */
@ApiTags('clients')
@Controller('api/v1/clients')
export class ClientsController {
  constructor(
    private readonly clients: ClientsService,
    private readonly lists: ClientsListService,
    private readonly answers: ClientAnswers,
    private readonly grantors: Grantors,
  ) {}

  @Post()
  @Require('clients:write')
  @RateClasses('general', 'key_creation')
  @ApiOperation({ summary: 'Make a client; its secret is shown this once' })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({ type: CreatedClientView })
  create(
    @Req() request: HttpRequest,
    @IdempotencyKey() caller: IdempotentCaller | null,
    @JsonBody(CreateClientDto) body: CreateClientDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<CreatedClientView> {
    const grantor = this.grantors.of(request);
    return this.answers.created({ reply, grantor, caller, body }, (mint) =>
      this.clients.create(grantor, toNewClient(body), mint),
    );
  }

  @Get()
  @Require('clients:read')
  @WithinReach('clients')
  @ApiOperation({
    summary: 'List the clients',
    description:
      '`search`: a part of the name, whatever its case, or the beginning of the id. `expiring_before`: those that end before that time, with their own end or that of the last of their secrets, and have not ended yet. `unused_since`: those of which no secret was used at or after that time.',
  })
  @ApiListQuery(CLIENT_LIST)
  @ApiOkResponse({ type: ClientPageView })
  list(@Req() request: HttpRequest, @Query() raw: Record<string, unknown>): Promise<Page<ClientView>> {
    return this.lists.list(raw, this.grantors.visibleTo(request));
  }

  @Get(':client_id')
  @Require('clients:read')
  @ApiOperation({ summary: 'Show a client' })
  @ApiClientId()
  @ApiOkResponse({ type: ClientView })
  async get(@Param('client_id') clientId: string): Promise<ClientView> {
    return presentClient(await this.clients.get(clientId));
  }

  @Patch(':client_id')
  @Require('clients:write')
  @ApiOperation({ summary: 'Change a client' })
  @ApiClientId()
  @ApiOkResponse({ type: ClientView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingClientView, description: 'Changed; not every replica has confirmed it yet.' })
  async update(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @JsonBody(UpdateClientDto) body: UpdateClientDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<ClientView | PendingClientView> {
    const { client, propagation } = await this.clients.update(this.grantors.of(request), clientId, toChanges(body));
    return answerChange(reply, presentClient(client), propagation);
  }

  @Delete(':client_id')
  @Require('clients:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Revoke a client' })
  @ApiClientId()
  @ApiNoContentResponse({ description: 'Revoked: no replica accepts a request that starts from now on.' })
  @ApiAcceptedResponse({ description: 'Revoked; not every replica has confirmed it yet.', type: PendingChangeView })
  async revoke(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    return answerEnd(reply, await this.clients.revoke(this.grantors.of(request), clientId));
  }
}
