import { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';

// A process whose only work is to own an embedded PostgreSQL, for tests that kill it. argv: the options as JSON.
const postgres = await EmbeddedPostgres.start(JSON.parse(process.argv[2] ?? '{}'));
process.stdout.write(`${JSON.stringify({ pid: postgres.pid, url: postgres.url })}\n`);
