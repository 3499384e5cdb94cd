import { applyDecorators, Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import type { Page } from '../../platform/http/list-query.js';
import { type ApiLogDto, ApiLogPageDto } from './api-log.dto.js';
import { API_LOG_FILTERS, ApiLogService } from './api-log.service.js';

const schemaOf = (kind: string | readonly string[]) =>
  kind === 'time'
    ? { type: 'string', format: 'date-time' }
    : typeof kind === 'string'
      ? { type: kind === 'integer' ? 'integer' : 'string' }
      : { type: 'string', enum: [...kind] };

const ApiLogFilters = () =>
  applyDecorators(
    ...Object.entries(API_LOG_FILTERS).map(([name, kind]) =>
      ApiQuery({ name, required: false, schema: schemaOf(kind) }),
    ),
  );

/** The API log, to those who may read it. */
@ApiTags('api-logs')
@Controller('api/v1/api-logs')
export class ApiLogController {
  constructor(private readonly apiLogs: ApiLogService) {}

  @Require('logs:read')
  @Get()
  @ApiOperation({ summary: 'What was called, by whom, with what result' })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } })
  @ApiQuery({ name: 'cursor', required: false, schema: { type: 'string' } })
  @ApiQuery({ name: 'sort', required: false, schema: { type: 'string', enum: ['created_at', '-created_at'] } })
  @ApiLogFilters()
  @ApiOkResponse({ type: ApiLogPageDto })
  list(@Query() query: Record<string, unknown>): Promise<Page<ApiLogDto>> {
    return this.apiLogs.list(query);
  }
}
