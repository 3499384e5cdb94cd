import type { QueryRunner } from 'typeorm';
import { statementInShortLock } from './short-lock.js';

/** An index of `api_logs`: its name there, its name behind that of a partition, and what it is on. */
export type ApiLogIndex = readonly [name: string, onPartition: string, definition: string];

/**
 * An index of the whole table is made of those of its partitions, each built while rows are written. A partition that
 * appears meanwhile has it from the start. What an interrupted build left behind is not valid and is built anew.
 */
export async function buildApiLogIndex(
  runner: QueryRunner,
  [name, onPartition, definition]: ApiLogIndex,
): Promise<void> {
  await statementInShortLock(runner, `CREATE INDEX IF NOT EXISTS ${name} ON ONLY api_logs ${definition}`);
  const partitions: { name: string }[] = await runner.query(
    `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid
     WHERE inhparent = 'api_logs'::regclass AND NOT inhdetachpending
       AND NOT EXISTS (SELECT FROM pg_index JOIN pg_inherits part ON part.inhrelid = indexrelid
                       WHERE indrelid = oid AND part.inhparent = '${name}'::regclass)
     ORDER BY relname`,
  );
  for (const partition of partitions) {
    const index = `"${partition.name}_${onPartition}"`;
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${index}`);
    await runner.query(`CREATE INDEX CONCURRENTLY ${index} ON "${partition.name}" ${definition}`);
    await statementInShortLock(runner, `ALTER INDEX ${name} ATTACH PARTITION ${index}`);
  }
}
