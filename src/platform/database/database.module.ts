import { Module, type OnModuleInit } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Settings } from '../config/settings.js';
import { HealthModule } from '../health/health.module.js';
import { MetricsService } from '../health/metrics.service.js';
import { servingOptions } from './data-source.js';
import { ReadDatabase } from './read-database.js';
import { Transactions } from './transactions.js';

const CONNECT_ATTEMPTS = 10;
const CONNECT_RETRY_MS = 1_000;

/**
 * The PostgreSQL pool of the process, and one for lists where `DATABASE_READ_URL` names a replica. At start it waits about ten seconds for a server that is not there yet, then
 * gives up; later each query meets an outage within its own bounded wait. Rooms add their entities with `forFeature`.
 */
@Module({
  imports: [
    HealthModule,
    TypeOrmModule.forRootAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        ...servingOptions(settings.DATABASE_URL, settings.DATABASE_POOL_SIZE),
        autoLoadEntities: true,
        retryAttempts: CONNECT_ATTEMPTS,
        retryDelay: CONNECT_RETRY_MS,
      }),
    }),
  ],
  providers: [
    Transactions,
    {
      provide: ReadDatabase,
      inject: [Settings, DataSource],
      useFactory: (settings: Settings, primary: DataSource) => new ReadDatabase(settings, primary),
    },
  ],
  exports: [Transactions, ReadDatabase],
})
export class DatabaseModule implements OnModuleInit {
  constructor(
    private readonly metrics: MetricsService,
    private readonly reads: ReadDatabase,
  ) {}

  onModuleInit(): void {
    const { metrics, reads } = this;
    metrics.counter(
      'list_reads_total',
      'Reads of lists by where they were answered.',
      () => ({ primary: reads.stats.primary, replica: reads.stats.replica }),
      'from',
    );
    metrics.counter(
      'read_replica_failures_total',
      'Reads that the replica could not answer.',
      () => reads.stats.failures,
    );
  }
}
