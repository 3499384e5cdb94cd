import path from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';

/** Milliseconds a request may wait for a connection, and for one statement's answer. Beyond: an error, never a hang. */
const CONNECT_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 3_000;
const READ_CONNECT_TIMEOUT_MS = 1_000;
const READ_TIMEOUT_MS = 2_000;

const MIGRATIONS_TABLE = 'schema_migrations';

/**
 * The options of the serving process: bounded waits, no schema changes, nothing logged (a statement's parameters may be
 * what must not be seen).
 */
export function servingOptions(url: string, poolSize: number): DataSourceOptions {
  return {
    ...sharedOptions(url),
    extra: {
      max: poolSize,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS * 2,
      keepAlive: true,
    },
  };
}

/** The options of a read replica: shorter waits, because the primary is asked when they are over. */
export function readingOptions(url: string, poolSize: number): DataSourceOptions {
  return {
    ...sharedOptions(url),
    extra: {
      max: poolSize,
      connectionTimeoutMillis: READ_CONNECT_TIMEOUT_MS,
      query_timeout: READ_TIMEOUT_MS,
      // A little less, so that a replica that is only slow says so itself.
      statement_timeout: READ_TIMEOUT_MS - 200,
      keepAlive: true,
    },
  };
}

/**
 * A data source that can migrate: no time-outs, and each migration decides whether it runs in a transaction.
 *
 * @param migrations the classes, or where they are; by default the compiled files beside this build.
 * @param role whose the tables will be, where it is not the account of `url`, which has to be a member of it.
 */
export function migratingDataSource(
  url: string,
  migrations: DataSourceOptions['migrations'] = [compiledMigrations()],
  role?: string,
): DataSource {
  return new DataSource({
    ...sharedOptions(url),
    migrations,
    migrationsTransactionMode: 'each',
    extra: {
      max: 4,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      ...(role !== undefined && { options: `-c role=${role.replaceAll(/[\\\s]/g, '\\$&')}` }),
    },
  });
}

function sharedOptions(url: string) {
  return {
    type: 'postgres',
    url,
    applicationName: 'core-nest',
    migrationsTableName: MIGRATIONS_TABLE,
    synchronize: false,
    migrationsRun: false,
    logging: false,
    poolErrorHandler: () => {
      // A pooled connection that breaks while idle is replaced; the request that needs one meets the fault itself.
    },
  } as const;
}

function compiledMigrations(): string {
  return path.join(import.meta.dirname, '../../../migrations/*.js');
}
