import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { RateClasses, Require } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import type { Page } from '../../platform/http/list-query.js';
import { IdempotencyService, type Mint } from '../../platform/idempotency/idempotency.service.js';
import {
  ApiIdempotencyKey,
  callWith,
  IdempotencyKey,
  type IdempotentCaller,
  markReplayed,
} from '../../platform/idempotency/idempotent-call.js';
import {
  ClientPageView,
  ClientView,
  CreatedClientView,
  PendingChangeView,
  PendingClientView,
  presentClient,
  presentCreatedClient,
  presentPending,
} from './client-view.js';
import { CreateClientDto, toChanges, toNewClient, UpdateClientDto } from './clients.dto.js';
import { ClientsService, type CreatedClient } from './clients.service.js';
import { CLIENT_LIST, ClientsListService } from './clients-list.service.js';
import { grantorOf } from './grantor.js';

const ApiClientId = () => ApiParam({ name: 'client_id', schema: { type: 'string', example: 'cn_live_0123456789AB' } });

/** Management of clients (contract, section 4). */
@ApiTags('clients')
@Controller('api/v1/clients')
export class ClientsController {
  constructor(
    private readonly clients: ClientsService,
    private readonly lists: ClientsListService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post()
  @Require('clients:write')
  @RateClasses('general', 'key_creation')
  @ApiOperation({ summary: 'Make a client; its secret is shown this once' })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({ type: CreatedClientView })
  async create(
    @Req() request: HttpRequest,
    @IdempotencyKey() caller: IdempotentCaller | null,
    @JsonBody(CreateClientDto) body: CreateClientDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<CreatedClientView> {
    const given = await this.idempotency.once(
      callWith(caller, body),
      ({ client, credential }) => presentCreatedClient(client, credential),
      (mint: Mint<CreatedClient>) => this.clients.create(grantorOf(request), toNewClient(body), mint),
    );
    if (given.replayed) await this.clients.assertMayBeShown(grantorOf(request), given.answer.client_id);
    markReplayed(reply, given.replayed);
    return given.answer;
  }

  @Get()
  @Require('clients:read')
  @ApiOperation({
    summary: 'List the clients',
    description:
      '`search`: a part of the name, whatever its case, or the beginning of the id. `expiring_before`: those that end before that time, with their own end or that of the last of their secrets, and have not ended yet. `unused_since`: those of which no secret was used at or after that time.',
  })
  @ApiListQuery(CLIENT_LIST)
  @ApiOkResponse({ type: ClientPageView })
  list(@Query() raw: Record<string, unknown>): Promise<Page<ClientView>> {
    return this.lists.list(raw);
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
    const { client, propagation } = await this.clients.update(grantorOf(request), clientId, toChanges(body));
    const pending = presentPending(propagation);
    if (pending === null) return presentClient(client);
    reply.status(HttpStatus.ACCEPTED);
    return { ...presentClient(client), ...pending };
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
    const pending = presentPending(await this.clients.revoke(grantorOf(request), clientId));
    if (pending === null) return undefined;
    reply.status(HttpStatus.ACCEPTED);
    return pending;
  }
}
