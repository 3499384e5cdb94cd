import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiWholeListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import { API_LOG_LIST } from '../api-log.service.js';
import { ApiLogExportService } from './api-log-export.service.js';

/** A reader that takes nothing for so long is cut off. */
const STALL_MS = 60_000;
const text = { schema: { type: 'string' } } as const;

/** The API log as a file, to those who may read it. */
@ApiTags('api logs')
@Controller('api/v1/api-logs/export')
export class ApiLogExportController {
  constructor(private readonly exports: ApiLogExportService) {}

  /** Streams the file as fast as it is read. What breaks off ends without the last chunk of RFC 9112, 7.1. */
  @Require('logs:read')
  @Get()
  @ApiOperation({ summary: 'All that the list would show, as a file' })
  @ApiQuery({ name: 'format', required: false, schema: { type: 'string', enum: ['ndjson', 'csv'], default: 'ndjson' } })
  @ApiWholeListQuery(API_LOG_LIST)
  @ApiOkResponse({
    description:
      'One row a line. In CSV, a text that a spreadsheet would run as a formula has an apostrophe before it.',
    content: { 'application/x-ndjson': text, 'text/csv': text },
  })
  async export(
    @Query() query: Record<string, unknown>,
    @Req() request: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { format, stream } = await this.exports.begin(query);
    reply.type(format.contentType);
    reply.header('content-disposition', `attachment; filename="api-logs.${format.extension}"`);
    if (request.method === 'HEAD' || reply.raw.destroyed) {
      stream.destroy();
      reply.send();
      return;
    }
    reply.raw.setTimeout(STALL_MS, () => reply.raw.destroy());
    reply.send(stream);
  }
}
