import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { Page } from '../../../platform/http/list-query.js';
import { type ApiLogRollupDto, ApiLogRollupPageDto } from './api-log-rollups.dto.js';
import { API_LOG_ROLLUP_LIST, ApiLogRollupsService } from './api-log-rollups.service.js';

/** What the API log amounts to, to those who may read it. */
@ApiTags('api logs')
@Controller('api/v1/api-logs/rollups')
export class ApiLogRollupsController {
  constructor(private readonly rollups: ApiLogRollupsService) {}

  @Require('logs:read')
  @Get()
  @ApiOperation({ summary: 'Requests, errors, tokens and latency by client and hour' })
  @ApiListQuery(API_LOG_ROLLUP_LIST)
  @ApiOkResponse({ type: ApiLogRollupPageDto })
  list(@Query() query: Record<string, unknown>): Promise<Page<ApiLogRollupDto>> {
    return this.rollups.list(query);
  }
}
