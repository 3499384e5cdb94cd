import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { Client } from 'pg';
import { EmbeddedPostgresError } from '../../src/platform/database/embedded-binaries.js';
import { EmbeddedHome } from '../../src/platform/database/embedded-home.js';

const OWNER_ONLY = 0o600;

describe('EmbeddedHome', () => {
  let parent: string;
  let directory: string;
  const homes: EmbeddedHome[] = [];

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'core-nest-home-'));
    chmodSync(parent, 0o755);
    directory = join(parent, '.data');
  });
  afterEach(() => {
    for (const home of homes.splice(0)) home.release();
    rmSync(parent, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  });

  async function open(): Promise<EmbeddedHome> {
    const home = await EmbeddedHome.open(directory);
    homes.push(home);
    return home;
  }
  const envFile = () => join(directory, 'env');

  it('belongs to one process at a time', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow('Another copy is already running');
    homes.splice(0);
    first.release();
    await expect(open()).resolves.toBeInstanceOf(EmbeddedHome);
  });

  it('says what to do where it cannot be written', async () => {
    writeFileSync(directory, 'a file in its place');
    await expect(open()).rejects.toThrow(EmbeddedPostgresError);
    await expect(open()).rejects.toThrow('cannot be written (EEXIST)');
  });

  it('makes keys once, for its owner alone, and a database that opens with them on every start', async () => {
    const home = await open();
    expect(home.firstStart).toBe(true);
    const first = await home.startPostgres();
    home.markFirstStartDone();
    await first.postgres.stop();
    expect(statSync(envFile()).mode & 0o777).toBe(OWNER_ONLY);
    expect(parseEnv(readFileSync(envFile(), 'utf8'))).toEqual(first.settings);
    expect(first.settings.MASTER_KEY.length).toBeGreaterThanOrEqual(32);

    expect(home.firstStart).toBe(false);
    const second = await home.startPostgres();
    expect(second.settings.MASTER_KEY).toBe(first.settings.MASTER_KEY);
    const client = new Client({ connectionString: second.settings.DATABASE_URL });
    await client.connect();
    expect((await client.query('SELECT current_user AS role')).rows).toEqual([{ role: 'core_nest' }]);
    await client.end();
    await second.postgres.stop();
  });

  it.each([
    ['lost', () => rmSync(envFile())],
    ['emptied', () => writeFileSync(envFile(), '')],
  ])('does not start over the data of a database whose keys were %s', async (_what, damage) => {
    const home = await open();
    const { postgres } = await home.startPostgres();
    await postgres.stop();
    damage();
    await expect(home.startPostgres()).rejects.toThrow('is missing or damaged');
  });
});
