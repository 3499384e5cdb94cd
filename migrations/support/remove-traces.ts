import { setTimeout as pause } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { statementInShortLock } from './short-lock.js';

const HORIZON_ATTEMPTS = 120;
const HORIZON_PAUSE_MS = 500;
const EXTRA_SEGMENTS = 16;

/**
 * Takes the values of a table that was dropped out of the files of the database: the planner's statistics, which held
 * the commonest of them, are rewritten, and where the role is a superuser the write-ahead log is run on until each of
 * its files was written anew. Without that right it says what is left to do; the files of tables and statistics are
 * clean in either case, provided the role owns the database.
 *
 * @throws an error when a transaction that is older than the drop stays open: it keeps the old statistics alive.
 */
export async function removeTraces(runner: QueryRunner): Promise<void> {
  const [role] = await runner.query(`
    SELECT rolsuper AS superuser, pg_has_role(current_user, datdba, 'USAGE') AS owner
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`);
  await olderTransactionsEnded(runner);
  if (role.superuser || role.owner) {
    await statementInShortLock(runner, 'VACUUM (FULL) pg_statistic');
    await statementInShortLock(runner, 'VACUUM (FULL) pg_statistic_ext_data');
  } else note('run "VACUUM (FULL) pg_statistic" as the owner of the database: it may hold values of api_logs.');
  if (!role.superuser || !(await rewriteWriteAheadLog(runner)))
    note(
      'write-ahead log from before this migration (pg_wal, archives, replicas) holds the old values until recycled.',
    );
}

async function olderTransactionsEnded(runner: QueryRunner): Promise<void> {
  const [{ now }] = await runner.query('SELECT pg_current_xact_id()::xid::text AS now');
  for (let attempt = 1; ; attempt++) {
    const older = await runner.query(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND age(backend_xmin) > age($1::xid)`,
      [now],
    );
    if (older.length === 0) return;
    if (attempt === HORIZON_ATTEMPTS)
      throw new Error(
        `Transactions older than the migration are still open (pid ${older.map(({ pid }: { pid: number }) => pid).join(', ')}). End them and migrate again.`,
      );
    await pause(HORIZON_PAUSE_MS);
  }
}

/**
 * A recycled segment is renamed, not emptied, so each file has to be written over. A switch fills the rest of a segment
 * with zeros; what was last written before `since` still holds something old.
 */
async function rewriteWriteAheadLog(runner: QueryRunner): Promise<boolean> {
  await runner.query('SELECT pg_switch_wal()');
  const [{ since }] = await runner.query(
    `SELECT (date_trunc('second', clock_timestamp()) + interval '1 second')::text AS since`,
  );
  await pause(1_100);
  let rounds = EXTRA_SEGMENTS;
  for (let round = 0; round < rounds; round++) {
    await runner.query('CHECKPOINT');
    await runner.query('SELECT pg_switch_wal()');
    const [{ old }] = await runner.query(
      `SELECT count(*)::int AS old FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND modification < $1::timestamptz`,
      [since],
    );
    if (round === 0) rounds += old * 2;
    if (old === 0) return true;
  }
  return false;
}

function note(text: string): void {
  console.warn(`migration: ${text}`);
}
