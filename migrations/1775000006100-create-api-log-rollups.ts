import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the API log amounts to: requests by client and hour, and by process the rows that should be there and those that
 * are. Both are made from `api_logs` again and again, so nothing is moved.
 */
export class CreateApiLogRollups1775000006100 implements MigrationInterface {
  name = 'CreateApiLogRollups1775000006100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_log_rollups (
        hour timestamptz NOT NULL,
        client_id text NOT NULL,
        requests integer NOT NULL,
        refused integer NOT NULL,
        rate_limited integer NOT NULL,
        failed integer NOT NULL,
        caller_left integer NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        bytes_in bigint NOT NULL,
        bytes_out bigint NOT NULL,
        latency_ms_sum double precision NOT NULL,
        latency_ms_max real NOT NULL,
        CONSTRAINT api_log_rollups_pkey PRIMARY KEY (hour, client_id)
      )`);
    await runner.query('CREATE INDEX api_log_rollups_client_idx ON api_log_rollups (client_id, hour)');
    await runner.query(`
      CREATE TABLE api_log_processes (
        process integer NOT NULL,
        issued integer NOT NULL,
        ended boolean NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT api_log_processes_pkey PRIMARY KEY (process)
      )`);
    await runner.query(`
      CREATE TABLE api_log_sequences (
        process integer NOT NULL,
        hour timestamptz NOT NULL,
        rows integer NOT NULL,
        last_sequence integer NOT NULL,
        CONSTRAINT api_log_sequences_pkey PRIMARY KEY (process, hour)
      )`);
    await runner.query(`
      CREATE VIEW api_log_gaps AS
      SELECT process, started_at, marked_at, ended, greatest(issued, last_sequence) AS issued,
             coalesce(rows, 0) AS written, greatest(issued, last_sequence) - coalesce(rows, 0) AS missing
      FROM api_log_processes
      LEFT JOIN (SELECT process, sum(rows) AS rows, max(last_sequence) AS last_sequence
                 FROM api_log_sequences GROUP BY process) AS written USING (process)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW api_log_gaps');
    await runner.query('DROP TABLE api_log_sequences, api_log_processes, api_log_rollups');
  }
}
