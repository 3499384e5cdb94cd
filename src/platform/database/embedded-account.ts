import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type EmbeddedBinaries, EmbeddedPostgresError } from './embedded-binaries.js';

/** "nobody" on every Linux: owns nothing, so a server under it can touch nothing but its own data. */
const NOBODY = 65_534;
/** In order of how little they give away; a container often holds only the second. */
const CAPABILITIES = ['dac_read_search', 'dac_override'];

/** How the server is started so that it does not run as root, which PostgreSQL refuses. */
export interface ServerAccount {
  /** Who must own the server's files; undefined for an ordinary user, who owns what it makes. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What to spawn the command with. */
  readonly spawn: { readonly uid?: number; readonly gid?: number };
  /** Goes in front of the command; changes the account where spawning with a uid alone does not do. */
  readonly prefix: readonly string[];
}

/**
 * Chooses the account: this one for an ordinary user; for root the owner of existing data, else "nobody".
 *
 * "nobody" may be unable to enter a checkout in, say, `/root` (mode 0700). Then the server gets one capability beside the
 * account, to pass directories it could not (`CAP_DAC_READ_SEARCH`, else `CAP_DAC_OVERRIDE`), rather than a copy of the
 * programs and data elsewhere or a wider mode on somebody's home.
 *
 * @throws EmbeddedPostgresError when root cannot hand the programs to any such account.
 */
export function chooseAccount(binaries: EmbeddedBinaries, dataDirectory: string): ServerAccount {
  if (process.getuid?.() !== 0) return { spawn: {}, prefix: [] };
  const existing = existsSync(dataDirectory) ? statSync(dataDirectory) : undefined;
  const owner = existing && existing.uid !== 0 ? existing : { uid: NOBODY, gid: NOBODY };
  const { uid, gid } = owner;
  const candidates: ServerAccount[] = [
    { owner: { uid, gid }, spawn: { uid, gid }, prefix: [] },
    ...CAPABILITIES.map((name) => ({ owner: { uid, gid }, spawn: {}, prefix: withCapability(name, uid, gid) })),
  ];
  const found = candidates.find((account) => canReach(account, binaries, dirname(dataDirectory)));
  if (found) return found;
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and account ${uid} cannot enter ${dirname(dataDirectory)}: move the checkout to a ` +
      'directory that everybody may enter (for example /opt), or run this as an ordinary user.',
  );
}

function withCapability(name: string, uid: number, gid: number): string[] {
  return [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    // Without it access(2), by which initdb looks for its own files, would not count the capability.
    '--securebits=+no_setuid_fixup',
    `--inh-caps=+${name}`,
    `--ambient-caps=+${name}`,
  ];
}

function canReach(account: ServerAccount, binaries: EmbeddedBinaries, parent: string): boolean {
  const test = 'test -x "$1" && test -x "$2" && test -r "$3" && cd "$4"';
  const command = [...account.prefix, '/bin/sh', '-c', test, 'sh'];
  const [program = '', ...rest] = [...command, binaries.initdb, binaries.postgres, binaries.share, parent];
  return spawnSync(program, rest, { cwd: '/', stdio: 'ignore', ...account.spawn }).status === 0;
}
