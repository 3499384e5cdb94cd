import { Controller, HttpCode, HttpStatus, Param, Post, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { answerChange } from '../../platform/http/pending-change.js';
import { ApiClientId } from './client-id.param.js';
import { HandOverDto } from './client-owners.dto.js';
import { ClientOwnersService } from './client-owners.service.js';
import { ClientView, PendingClientView, presentClient } from './client-view.js';
import { Grantors } from './grantors.js';

/** Whose a client is. */
@ApiTags('clients')
@Controller('api/v1/clients/:client_id/owner')
export class ClientOwnersController {
  constructor(
    private readonly owners: ClientOwnersService,
    private readonly grantors: Grantors,
  ) {}

  @Post()
  @Require('clients:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Hand a client over to a user, or take it from its owner',
    description:
      'Its secrets go on working, for whoever knows them: rotate them if that is not meant. Of its scopes it holds from then on those that the new owner holds; without an owner, all of them. To give it to another user than yourself you need `api_keys:admin`.',
  })
  @ApiClientId()
  @ApiOkResponse({ type: ClientView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingClientView, description: 'Done; not every replica has confirmed it yet.' })
  async handOver(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @JsonBody(HandOverDto) body: HandOverDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<ClientView | PendingClientView> {
    const { client, propagation } = await this.owners.handOver(this.grantors.of(request), clientId, body.user_id);
    return answerChange(reply, presentClient(client), propagation);
  }
}
