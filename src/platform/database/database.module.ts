import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { servingOptions } from './data-source.js';
import { Transactions } from './transactions.js';

const CONNECT_ATTEMPTS = 10;
const CONNECT_RETRY_MS = 1_000;

/**
 * The one PostgreSQL pool of the process. At start it waits about ten seconds for a server that is not there yet, then
 * gives up; later each query meets an outage within its own bounded wait. Rooms add their entities with `forFeature`.
 */
@Module({
  imports: [
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
  providers: [Transactions],
  exports: [Transactions],
})
export class DatabaseModule {}
