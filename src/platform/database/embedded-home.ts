import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { EmbeddedPostgresError } from './embedded-binaries.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

const ROLE = 'core_nest';

/** What the application and the CLI need to use the embedded database. */
export interface EmbeddedSettings {
  readonly DATABASE_URL: string;
  readonly MASTER_KEY: string;
}

/**
 * The folder of a self-contained installation: the database's files, its log, and `env` (mode 0600) with the keys that
 * were made once and the URL of the running server. One process owns it at a time.
 */
export class EmbeddedHome {
  private constructor(
    readonly directory: string,
    private readonly lock: Server,
  ) {}

  /**
   * Makes the folder if needed and takes it for this process, until it ends in whatever way.
   *
   * @throws EmbeddedPostgresError when it cannot be written or another process has it.
   */
  static async open(directory: string): Promise<EmbeddedHome> {
    try {
      mkdirSync(directory, { recursive: true });
      rmdirSync(mkdtempSync(join(directory, 'probe-')));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new EmbeddedPostgresError(
        `${directory} cannot be written (${code}): run this from a checkout that is yours to write, as the account that ` +
          'started it first.',
      );
    }
    const home = realpathSync(directory);
    return new EmbeddedHome(home, await takeLock(home));
  }

  /** True until {@link EmbeddedHome.markFirstStartDone} was called once, over all starts. */
  get firstStart(): boolean {
    return !existsSync(join(this.directory, 'first-start-done'));
  }

  markFirstStartDone(): void {
    this.write('first-start-done', `${new Date().toISOString()}\n`);
  }

  /**
   * Starts the database and leaves its URL and the keys in `env`.
   *
   * @throws EmbeddedPostgresError when it does not start, or when its password and the master key were lost.
   */
  async startPostgres(): Promise<{ postgres: EmbeddedPostgres; settings: EmbeddedSettings }> {
    const { password, masterKey } = this.secrets();
    const postgres = await EmbeddedPostgres.start({
      dataDirectory: join(this.directory, 'postgres'),
      logFile: join(this.directory, 'postgres.log'),
      role: ROLE,
      password,
    });
    const settings = { DATABASE_URL: postgres.url, MASTER_KEY: masterKey };
    this.writeEnv(settings);
    return { postgres, settings };
  }

  /** Lets another process have the folder. */
  release(): void {
    this.lock.close();
  }

  private secrets(): { password: string; masterKey: string } {
    const path = join(this.directory, 'env');
    if (existsSync(path)) {
      const { DATABASE_URL = '', MASTER_KEY = '' } = parseEnv(readFileSync(path, 'utf8'));
      if (URL.canParse(DATABASE_URL) && MASTER_KEY)
        return { password: new URL(DATABASE_URL).password, masterKey: MASTER_KEY };
    }
    if (existsSync(join(this.directory, 'postgres'))) {
      throw new EmbeddedPostgresError(
        `${path} is missing or damaged, and with it the database's password and the master key: put it back, or remove ` +
          `${this.directory} to start anew.`,
      );
    }
    const secrets = {
      password: randomBytes(24).toString('base64url'),
      masterKey: randomBytes(48).toString('base64url'),
    };
    this.writeEnv({
      DATABASE_URL: `postgres://${ROLE}:${secrets.password}@127.0.0.1/${ROLE}`,
      MASTER_KEY: secrets.masterKey,
    });
    return secrets;
  }

  private writeEnv(settings: EmbeddedSettings): void {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    this.write('env', `# Made by npm run quickstart; read by npm run cli.\n${lines.join('')}`);
  }

  /** Replaces a file in one step, readable by the folder's owner alone. */
  private write(name: string, text: string): void {
    const unfinished = join(this.directory, `${name}.new`);
    writeFileSync(unfinished, text, { mode: 0o600 });
    if (process.getuid?.() === 0) {
      const { uid, gid } = statSync(this.directory);
      chownSync(unfinished, uid, gid);
    }
    renameSync(unfinished, join(this.directory, name));
  }
}

/** An abstract socket named after the folder: the kernel gives it to one process and takes it back when that one ends. */
async function takeLock(directory: string): Promise<Server> {
  const name = createHash('sha256').update(directory).digest('hex');
  const lock = createServer().listen({ path: `\0core-nest/${name}` });
  try {
    await once(lock, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new EmbeddedPostgresError(
      `Another copy is already running on ${directory}: use that one, or stop it (Ctrl-C where it runs), then try again.`,
    );
  }
  lock.unref();
  return lock;
}
