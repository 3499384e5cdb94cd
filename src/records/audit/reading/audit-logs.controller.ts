import { Controller, Get, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { HttpRequest } from '../../../platform/http/http-request.js';
import type { Page } from '../../../platform/http/list-query.js';
import { originOf } from '../audit.service.js';
import { type AuditLogDto, AuditLogPageDto } from './audit-logs.dto.js';
import { AUDIT_LOG_LIST, AuditLogsService } from './audit-logs.service.js';

/** The audit log, to those who may read it. */
@ApiTags('audit logs')
@Controller('api/v1/audit-logs')
export class AuditLogsController {
  constructor(private readonly auditLogs: AuditLogsService) {}

  @Require('audit:read')
  @Get()
  @ApiOperation({ summary: 'Who did what to what; that it was read is recorded as well' })
  @ApiListQuery(AUDIT_LOG_LIST)
  @ApiOkResponse({ type: AuditLogPageDto })
  list(@Query() query: Record<string, unknown>, @Req() request: HttpRequest): Promise<Page<AuditLogDto>> {
    return this.auditLogs.list(query, originOf(request));
  }
}
