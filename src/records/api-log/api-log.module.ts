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
import { ApiLogNumbers } from './api-log-numbers.js';
import { ApiLogPartitionsRepository } from './api-log-partitions.repository.js';
import { ApiLogPartitionsService } from './api-log-partitions.service.js';
import { ApiLogExportController } from './export/api-log-export.controller.js';
import { ApiLogExportService } from './export/api-log-export.service.js';
import { ApiLogAggregationRepository } from './rollups/api-log-aggregation.repository.js';
import { ApiLogAggregationService } from './rollups/api-log-aggregation.service.js';
import { ApiLogProcessEntity } from './rollups/api-log-process.entity.js';
import { ApiLogRollupEntity } from './rollups/api-log-rollup.entity.js';
import { ApiLogRollupsController } from './rollups/api-log-rollups.controller.js';
import { ApiLogRollupsRepository } from './rollups/api-log-rollups.repository.js';
import { ApiLogRollupsService } from './rollups/api-log-rollups.service.js';
import { ApiLogSequenceEntity } from './rollups/api-log-sequence.entity.js';

/**
 * The record of every request. The writer hears of a request from the edge when its response has closed, because a
 * refused one never reaches an interceptor.
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([ApiLogEntity, ApiLogRollupEntity, ApiLogProcessEntity, ApiLogSequenceEntity]),
    DatabaseModule,
    HttpModule,
    HealthModule,
    JobsModule,
  ],
  controllers: [ApiLogController, ApiLogExportController, ApiLogRollupsController],
  providers: [
    ApiLogService,
    ApiLogRepository,
    ApiLogWriter,
    ApiLogCopyRepository,
    ApiLogPartitionsService,
    ApiLogPartitionsRepository,
    ApiLogNumbers,
    ApiLogExportService,
    ApiLogAggregationService,
    ApiLogAggregationRepository,
    ApiLogRollupsService,
    ApiLogRollupsRepository,
  ],
  exports: [ApiLogRollupsService],
})
export class ApiLogModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly writer: ApiLogWriter,
    private readonly aggregation: ApiLogAggregationService,
    private readonly exports: ApiLogExportService,
  ) {}

  onModuleInit(): void {
    const { metrics, writer, aggregation, exports } = this;
    metrics.gauge('api_log_queue_rows', 'API log rows that wait to be written.', () => writer.stats().queued);
    metrics.counter('api_log_rows_total', 'API log rows by what became of them.', () => {
      const { written, shed, rejected } = writer.stats();
      return { written, shed, rejected };
    });
    metrics.gauge('api_log_exports', 'Exports of the API log that are under way.', () => exports.underWay);
    metrics.gauge(
      'api_log_missing_rows',
      'Numbered rows that never reached the API log, over the retention; 0 on replicas that do not count them.',
      () => aggregation.missingRows,
    );
    metrics.counter(
      'api_log_write_failures_total',
      'Writes of the API log that failed.',
      () => writer.stats().failures,
    );
  }
}
