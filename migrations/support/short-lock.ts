import { setTimeout as pause } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';

/** Milliseconds a lock is waited for, and so the longest that a reader queues behind one that is not granted. */
const LOCK_TIMEOUT_MS = 250;
const ATTEMPTS = 400;
const PAUSE_MS = 500;
const ALONE_ATTEMPTS = 120;
const RETRIED = new Set(['55P03', '40P01']);

/**
 * Runs `work` until the locks it needs are free, each try bounded, with a pause between so that others get through.
 * About five minutes of tries.
 *
 * @throws an error that names `what` and says what to do, when a lock is never free.
 */
export async function retryLocked<T>(what: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!RETRIED.has(sqlState(error))) throw error;
      if (attempt === ATTEMPTS)
        throw new Error(`${what}: the lock was never free. End the long transactions that hold it and migrate again.`);
      await pause(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

/** One transaction with bounded lock waits, tried once. */
export async function shortTransaction<T>(runner: QueryRunner, work: () => Promise<T>): Promise<T> {
  await runner.startTransaction();
  try {
    await runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const result = await work();
    await runner.commitTransaction();
    return result;
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}

/** One transaction with bounded lock waits, retried by {@link retryLocked}. */
export function inShortLock<T>(runner: QueryRunner, what: string, work: () => Promise<T>): Promise<T> {
  return retryLocked(what, () => shortTransaction(runner, work));
}

/** Runs one statement that cannot be in a transaction, with bounded lock waits, retried by {@link retryLocked}. */
export function statementInShortLock(runner: QueryRunner, sql: string): Promise<unknown> {
  return retryLocked(sql, async () => {
    await runner.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
    try {
      return await runner.query(sql);
    } finally {
      await runner.query('RESET lock_timeout').catch(() => undefined);
    }
  });
}

/**
 * Runs `work` while this session is the only one that migrates `api_logs`, without a statement time-out. It waits about
 * a minute for another one: a killed run's session may still be at its last statement. It polls, because a session that
 * waits in SQL would hold up `CREATE INDEX CONCURRENTLY` for ever.
 *
 * @throws an error when another migration is under way all the time.
 */
export async function aloneOnApiLogs(runner: QueryRunner, work: () => Promise<void>): Promise<void> {
  const key = "hashtextextended('core-nest:migrate:api_logs', 0)";
  for (let attempt = 1; ; attempt++) {
    const [row] = await runner.query(`SELECT pg_try_advisory_lock(${key}) AS held`);
    if (row.held === true) break;
    if (attempt === ALONE_ATTEMPTS) throw new Error('Another process is migrating api_logs. Wait for it to end.');
    await pause(PAUSE_MS);
  }
  try {
    await runner.query('SET statement_timeout = 0');
    await work();
  } finally {
    await runner.query('RESET statement_timeout').catch(() => undefined);
    await runner.query(`SELECT pg_advisory_unlock(${key})`).catch(() => undefined);
  }
}

function sqlState(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
