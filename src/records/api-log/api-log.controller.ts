import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { Page } from '../../platform/http/list-query.js';
import { type ApiLogDto, ApiLogPageDto } from './api-log.dto.js';
import { API_LOG_LIST, ApiLogService } from './api-log.service.js';

/** The API log, to those who may read it. */
@ApiTags('api logs')
@Controller('api/v1/api-logs')
export class ApiLogController {
  constructor(private readonly apiLogs: ApiLogService) {}

  @Require('logs:read')
  @Get()
  @ApiOperation({ summary: 'What was called, by whom, with what result' })
  @ApiListQuery(API_LOG_LIST)
  @ApiOkResponse({ type: ApiLogPageDto })
  list(@Query() query: Record<string, unknown>): Promise<Page<ApiLogDto>> {
    return this.apiLogs.list(query);
  }
}
