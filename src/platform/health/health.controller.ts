import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { Public } from '../../kernel/handler-marks.js';
import type { HttpReply } from '../http/http-request.js';
import { LiveView, ReadinessView } from './health.dto.js';
import { ReadinessService } from './readiness.service.js';

/** What a supervisor and a load balancer ask. */
@ApiTags('operations')
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: ReadinessService) {}

  /** Alive: the event loop turns. Never looks at anything outside the process, so that an outage restarts nobody. */
  @Public()
  @Get('live')
  @ApiOperation({ summary: 'Whether the process is alive' })
  @ApiOkResponse({ type: LiveView })
  live(): LiveView {
    return { status: 'live' };
  }

  /** Ready to be given requests: 200 when `ready` or `degraded`, 503 when `not_ready`. */
  @Public()
  @Get('ready')
  @ApiOperation({ summary: 'Whether the process should be given requests' })
  @ApiOkResponse({ type: ReadinessView, description: 'Ready, or degraded.' })
  @ApiServiceUnavailableResponse({ type: ReadinessView, description: 'Not ready.' })
  async ready(@Res({ passthrough: true }) reply: HttpReply): Promise<ReadinessView> {
    const report = await this.readiness.report();
    reply.code(report.status === 'not_ready' ? 503 : 200);
    return report;
  }
}
