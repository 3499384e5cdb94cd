import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import type { HttpReply } from '../http/http-request.js';
import { MetricsService } from './metrics.service.js';

/** What Prometheus scrapes. Not public: it tells how much is used and what is failing. */
@ApiTags('operations')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: MetricsService) {}

  /** The exposition text of this process. */
  @Require('metrics:read')
  @Get()
  @ApiOperation({ summary: 'Metrics of this process, for Prometheus' })
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } } })
  async read(@Res({ passthrough: true }) reply: HttpReply): Promise<string> {
    reply.type(this.metrics.contentType);
    return this.metrics.text();
  }
}
