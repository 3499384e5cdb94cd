import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The API log as the earlier core-nest had it, `auth_headers` included: the starting point of every upgrade. An
 * installation that has the table already keeps it as it is.
 */
export class CreateApiLogs1760000000000 implements MigrationInterface {
  name = 'CreateApiLogs1760000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE IF NOT EXISTS api_logs (
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        created_at timestamptz NOT NULL DEFAULT now(),
        request_id text,
        method text NOT NULL,
        route text,
        status integer NOT NULL,
        latency_ms real NOT NULL,
        client_id text,
        client_address text,
        auth_headers jsonb,
        CONSTRAINT api_logs_pkey PRIMARY KEY (id)
      )`);
    await runner.query('CREATE INDEX IF NOT EXISTS api_logs_created_at_idx ON api_logs (created_at)');
    await runner.query('CREATE INDEX IF NOT EXISTS api_logs_client_id_idx ON api_logs (client_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE api_logs');
  }
}
