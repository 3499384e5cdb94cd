import { Module, type OnModuleInit, Optional } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { HttpModule } from '../http/http.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { RedisService } from '../redis/redis.service.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';
import { ReadinessService } from './readiness.service.js';

/**
 * Liveness, readiness and metrics, with the checks of PostgreSQL and Redis. Neither is essential to a process that has
 * started: without Redis it enforces locally, without PostgreSQL it serves the clients it knows, and taking every
 * replica out of service at once would only turn a partial outage into a whole one.
 */
@Module({
  imports: [HttpModule, RedisModule],
  controllers: [HealthController, MetricsController],
  providers: [ReadinessService, MetricsService],
  exports: [ReadinessService, MetricsService],
})
export class HealthModule implements OnModuleInit {
  constructor(
    private readonly readiness: ReadinessService,
    private readonly metrics: MetricsService,
    private readonly redis: RedisService,
    @Optional() private readonly database?: DataSource,
  ) {}

  onModuleInit(): void {
    const { redis, database } = this;
    if (database !== undefined) {
      this.readiness.register('postgresql', () =>
        database.query('SELECT 1').then(
          () => 'up',
          () => 'down',
        ),
      );
      this.metrics.gauge(
        'database_connections',
        'Connections to PostgreSQL, and requests that wait for one.',
        () => poolOf(database),
        'state',
      );
    }
    this.readiness.register('redis', () => redis.state);
    this.metrics.gauge('redis_usable', 'Whether Redis is configured and answers.', () => (redis.usable ? 1 : 0));
    this.metrics.counter(
      'redis_faults_total',
      'Calls Redis did not answer in time or refused, and openings of the breaker.',
      () => ({ ...redis.stats }),
    );
  }
}

/** The pool's own counts; the driver calls it `master`, replicated or not. */
function poolOf(database: DataSource) {
  const { master: pool } = database.driver as unknown as {
    master?: { totalCount: number; idleCount: number; waitingCount: number };
  };
  if (pool === undefined) return { idle: 0, busy: 0, waiting: 0 };
  return { idle: pool.idleCount, busy: pool.totalCount - pool.idleCount, waiting: pool.waitingCount };
}
