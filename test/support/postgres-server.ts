import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';

const NOBODY = 65_534;

/** A PostgreSQL of its own for a test that stops or starves it. Its files go with it. */
export async function startPostgres(): Promise<EmbeddedPostgres> {
  const scratch = mkdtempSync(join(tmpdir(), 'core-nest-test-'));
  // Started by root, the server runs as "nobody", who has to be able to remove the directory in the end.
  if (process.getuid?.() === 0) chownSync(scratch, NOBODY, NOBODY);
  return EmbeddedPostgres.start({
    dataDirectory: join(scratch, 'postgres'),
    logFile: join(scratch, 'postgres.log'),
    role: 'core_nest',
    password: randomBytes(18).toString('base64url'),
    disposable: true,
    scratchDirectory: scratch,
  });
}
