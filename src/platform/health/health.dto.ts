import { ApiProperty } from '@nestjs/swagger';
import type { ReadinessReport } from './readiness.service.js';

/** The process is alive. */
export class LiveView {
  @ApiProperty({ enum: ['live'] }) status!: string;
}

/** Whether the process should be given requests, and what that was judged by. */
export class ReadinessView implements ReadinessReport {
  @ApiProperty({ enum: ['ready', 'degraded', 'not_ready'] }) status!: ReadinessReport['status'];

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { process: 'serving', postgresql: 'up', redis: 'up' },
  })
  checks!: Readonly<Record<string, string>>;
}
