import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '../../platform/database/database.module.js';
import { HealthModule } from '../../platform/health/health.module.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { HttpModule } from '../../platform/http/http.module.js';
import { JobsModule } from '../../platform/jobs/jobs.module.js';
import { ApiLogController } from './api-log.controller.js';
import { ApiLogEntity } from './api-log.entity.js';
import { ApiLogRepository } from './api-log.repository.js';
import { ApiLogService } from './api-log.service.js';
import { ApiLogWriter } from './api-log.writer.js';
import { ApiLogCopyRepository } from './api-log-copy.repository.js';
import { ApiLogPartitionsRepository } from './api-log-partitions.repository.js';
import { ApiLogPartitionsService } from './api-log-partitions.service.js';

/**
 * The record of every request. The writer hears of a request from the edge when its response has closed, because a
 * refused one never reaches an interceptor.
 */
@Module({
  imports: [TypeOrmModule.forFeature([ApiLogEntity]), DatabaseModule, HttpModule, HealthModule, JobsModule],
  controllers: [ApiLogController],
  providers: [
    ApiLogService,
    ApiLogRepository,
    ApiLogWriter,
    ApiLogCopyRepository,
    ApiLogPartitionsService,
    ApiLogPartitionsRepository,
  ],
})
export class ApiLogModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly writer: ApiLogWriter,
  ) {}

  onModuleInit(): void {
    const { metrics, writer } = this;
    metrics.gauge('api_log_queue_rows', 'API log rows that wait to be written.', () => writer.stats().queued);
    metrics.counter('api_log_rows_total', 'API log rows by what became of them.', () => {
      const { written, shed, rejected } = writer.stats();
      return { written, shed, rejected };
    });
    metrics.counter(
      'api_log_write_failures_total',
      'Writes of the API log that failed.',
      () => writer.stats().failures,
    );
  }
}
