import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedPostgresError } from './embedded-binaries.js';

const PATIENCE_MS = 20_000;
const POLL_MS = 50;

/**
 * Clears what a run that was killed left in a data directory: stops a server that still runs on it, and removes a
 * `postmaster.pid` whose number now belongs to another program (PostgreSQL would take that program for a server and
 * refuse to start). The caller has made sure that no other copy owns the directory.
 *
 * @throws EmbeddedPostgresError when the server does not end within 20 s.
 */
export async function endOrphan(dataDirectory: string): Promise<void> {
  const pidFile = join(dataDirectory, 'postmaster.pid');
  const pid = Number(firstLine(pidFile));
  if (!Number.isInteger(pid) || pid <= 0) return;
  const deadline = Date.now() + PATIENCE_MS;
  if (isServerOf(pid, dataDirectory)) process.kill(pid, 'SIGINT');
  while (isServerOf(pid, dataDirectory)) {
    if (Date.now() > deadline) {
      throw new EmbeddedPostgresError(
        `PostgreSQL (process ${pid}) still runs on ${dataDirectory}: stop it, then try again.`,
      );
    }
    await delay(POLL_MS);
  }
  await rm(pidFile, { force: true });
}

function isServerOf(pid: number, dataDirectory: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return command.includes(dataDirectory) && command.some((word) => word.endsWith('/postgres'));
  } catch {
    return false;
  }
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n', 1)[0] ?? '';
  } catch {
    return '';
  }
}
