import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require, RequireSelf } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { ApiClientId } from './client-id.param.js';
import { ApiUsageQuery, UsageView } from './client-usage.dto.js';
import { ClientUsageService } from './client-usage.service.js';
import { Grantors } from './grantors.js';

/** What clients, and users' own keys, asked for. */
@ApiTags('clients', 'api keys')
@Controller('api/v1')
export class ClientUsageController {
  constructor(
    private readonly usage: ClientUsageService,
    private readonly grantors: Grantors,
  ) {}

  @Get('clients/:client_id/usage')
  @Require('clients:read')
  @ApiOperation({ summary: 'Requests, errors and tokens of a client by day' })
  @ApiClientId()
  @ApiUsageQuery()
  @ApiOkResponse({ type: UsageView })
  ofClient(@Param('client_id') clientId: string, @Query() raw: Record<string, unknown>): Promise<UsageView> {
    return this.usage.of(clientId, raw, null);
  }

  @Get('api-keys/:client_id/usage')
  @RequireSelf('api_keys:read')
  @ApiOperation({ summary: 'Requests, errors and tokens of a key of yours by day' })
  @ApiClientId()
  @ApiUsageQuery()
  @ApiOkResponse({ type: UsageView })
  ofKey(
    @Req() request: HttpRequest,
    @Param('client_id') clientId: string,
    @Query() raw: Record<string, unknown>,
  ): Promise<UsageView> {
    return this.usage.of(clientId, raw, this.grantors.selfOf(request));
  }
}
