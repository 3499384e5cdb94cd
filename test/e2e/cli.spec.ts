import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareSync } from 'bcryptjs';
import { createApp } from '../../src/app.setup.js';
import { parseApiKey } from '../../src/identity/clients/api-key.js';
import { preHash } from '../../src/identity/users/password-text.js';
import { Secret } from '../../src/kernel/secret.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { insertClient } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

const ROOT = join(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/src/cli.js');
const NODE = join(ROOT, 'node_modules/.bin/node');
const NOBODY = 'postgres://somebody:pass-word-canary@127.0.0.1:1/none';

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let database: TestDatabase;
let redis: TestRedis;
let folder: string;

beforeAll(async () => {
  if (!existsSync(CLI)) throw new Error('The command line is tested as it is built: run npm run build first.');
  [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
});

afterAll(() => Promise.all([database?.drop(), redis?.drop()]));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'core-nest-cli-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the built command line in a folder of its own with nothing in its environment but what is given. */
function run(
  command: string,
  words: readonly string[],
  cwd: string,
  env: Record<string, string>,
  input = '',
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } });
    child.stdin.on('error', () => undefined).end(input);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const cli = (words: readonly string[], env: Record<string, string> = { DATABASE_URL: database.url }) =>
  run(NODE, [CLI, ...words], folder, env);

/** What a command printed as JSON; the test fails unless that is all it printed. */
async function json(words: readonly string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = await cli([...words, '--json'], env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.endsWith('\n')).toBe(true);
  return JSON.parse(stdout);
}

describe('users create', () => {
  const PASSWORD = 'violet harbour-41 tin kettle';
  const create = (words: readonly string[], input = '', env: Record<string, string> = {}) =>
    run(NODE, [CLI, 'users', 'create', ...words], folder, { DATABASE_URL: database.url, ...env }, input);

  it('makes an administrator with the password of the first line that comes in', async () => {
    const words = ['--email', 'ops@example.com', '--role', 'owner', '--password-stdin', '--json'];
    const { code, stdout, stderr } = await create(words, `${PASSWORD}\r\nmore\n`, { PASSWORD_BCRYPT_COST: '4' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const made = JSON.parse(stdout);
    expect(made).toMatchObject({ email: 'ops@example.com', status: 'active', roles: ['owner'], invite_token: null });
    const [{ hash } = { hash: '' }] = await database.query<{ hash: string }>(
      'SELECT password_hash AS hash FROM users WHERE id = $1',
      [made.user_id],
    );
    expect(hash).toMatch(/^\$2b\$04\$/);
    expect(compareSync(preHash(new Secret(PASSWORD)).reveal(), hash)).toBe(true);
  });

  it('says what is wrong, and not the password', async () => {
    const words = ['--email', 'new@example.com', '--role', 'owner', '--password-stdin'];
    const weak = await create(words, 'iloveyou1234567\n');
    expect({ ...weak, stdout: '' }).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^the password is /),
    });
    expect(weak.stderr).not.toContain('iloveyou');
    expect(await create(words)).toMatchObject({ code: 2, stderr: expect.stringContaining('no password came in') });
    const made = await create(['--email', 'twin@example.com']);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/invite_token {2}ott_/) });
    expect(await create(['--email', 'Twin@example.com'])).toMatchObject({
      code: 1,
      stderr: 'There is a user with this e-mail address already.\n',
    });
  });
});

const fenceOf = (clientId: string) =>
  database.query('SELECT version FROM credential_fences WHERE client_id = $1', [clientId]);

describe('clients create', () => {
  it('prints one JSON object with the credential, whose hash is stored', async () => {
    const made = await json(['clients', 'create', '--name', 'ops', '--scope', 'admin']);
    expect(made).toMatchObject({
      api_key: `${made.client_id}_${made.client_secret}`,
      name: 'ops',
      scopes: ['admin'],
      tier: 'paid',
      environment: 'live',
      expires_at: null,
    });
    const [row] = await database.query<{ hashed_secret: string }>(
      'SELECT hashed_secret FROM client_secrets WHERE client_id = $1',
      [made.client_id],
    );
    expect(row?.hashed_secret).toMatch(/^\$2[ab]\$10\$/);
    expect(compareSync(parseApiKey(made.api_key)?.secret.reveal() ?? '', row?.hashed_secret ?? '')).toBe(true);
  });

  it('takes every option', async () => {
    const words = '--name demo --tier free --scope llm:invoke --scope logs:read --environment test';
    const made = await json(['clients', 'create', ...words.split(' '), '--expires-at', '2099-01-01T00:00:00+01:00'], {
      DATABASE_URL: database.url,
      BCRYPT_COST: '4',
    });
    expect(made).toMatchObject({
      client_id: expect.stringMatching(/^cn_test_/),
      tier: 'free',
      scopes: ['llm:invoke', 'logs:read'],
      expires_at: '2098-12-31T23:00:00.000Z',
    });
  });

  it('speaks to people without --json', async () => {
    const { code, stdout, stderr } = await cli(['clients', 'create', '--name', 'ops']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Made the client "ops": tier paid, scopes llm:invoke\.\n/);
    expect(stdout).toMatch(/ {2}api_key {8}cn_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{36}\n/);
    expect(stdout).toContain('The secret is shown this once');
  });

  it('is what npm runs, with nothing else on stdout', async () => {
    const words = ['run', '--silent', 'cli', '--', 'clients', 'create', '--name', 'by npm', '--json'];
    const { code, stdout } = await run('npm', words, ROOT, { DATABASE_URL: database.url });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'by npm', api_key: expect.any(String) });
  });
});

describe('clients list', () => {
  it('shows all of them and no hash', async () => {
    for (let n = 0; n < 3; n++) await insertClient(database, { name: `listed ${n}` });
    const [row] = await database.query<{ count: string }>('SELECT count(*) FROM clients');
    const listed = await json(['clients', 'list']);
    expect(listed.data).toHaveLength(Number(row?.count));
    expect(JSON.stringify(listed)).not.toContain('$2');
    expect((await cli(['clients', 'list'])).stdout).toMatch(/^cn_live_[0-9A-Za-z]{12} {2}active {2}paid {2}/m);
  });
});

describe('clients revoke', () => {
  it('with Redis: complete, the fence is up and the outbox empty', async () => {
    const { clientId } = await insertClient(database);
    const revoked = await json(['clients', 'revoke', clientId], { DATABASE_URL: database.url, REDIS_URL: redis.url });
    expect(revoked).toEqual({ client_id: clientId, revoked: true, propagation: 'complete' });
    expect(await redis.client.exists(`cn:{${clientId}}:fence`)).toBe(1);
    expect(await fenceOf(clientId)).toEqual([]);
    expect(await database.query('SELECT 1 FROM clients WHERE client_id = $1', [clientId])).toEqual([]);
  });

  it.each(['refuses', 'answers nothing'] as const)(
    'with a Redis that %s: a replica that does not confirm is named, and the outbox has it',
    async (fault) => {
      const proxy = await TcpProxy.start(redis.url);
      try {
        if (fault === 'refuses') await proxy.refuse();
        else proxy.blackHole();
        const { clientId } = await insertClient(database);
        await database.query(`INSERT INTO replicas (id, alone_seconds, stale_seconds) VALUES ('rep_mute', 17, 917)`);
        const started = performance.now();
        const revoked = await json(['clients', 'revoke', clientId], {
          DATABASE_URL: database.url,
          REDIS_URL: proxy.through(redis.url),
          AUTH_CACHE_RECHECK_SECONDS: '17',
        });
        expect(revoked).toEqual({
          client_id: clientId,
          revoked: true,
          propagation: 'pending',
          replicas_pending: 1,
          bounded_by_seconds: expect.any(Number),
        });
        // Less by what the silent one has been silent for, once it is not waited for any more.
        expect(revoked.bounded_by_seconds).toBeLessThanOrEqual(917);
        expect(revoked.bounded_by_seconds).toBeGreaterThan(880);
        expect(performance.now() - started).toBeLessThan(10_000);
        expect(await fenceOf(clientId)).toHaveLength(1);
      } finally {
        await database.query(`DELETE FROM replicas WHERE id = 'rep_mute'`);
        await proxy.stop();
      }
    },
  );

  it('without Redis: complete, because the serving process confirms', async () => {
    const app = await createApp(buildSettings({ DATABASE_URL: database.url }));
    try {
      await app.listen(0, '127.0.0.1');
      const { port } = app.getHttpServer().address() as AddressInfo;
      const { clientId, apiKey } = await insertClient(database);
      const status = async () =>
        (await fetch(`http://127.0.0.1:${port}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } })).status;
      expect(await status()).toBe(200);
      expect(await json(['clients', 'revoke', clientId])).toMatchObject({ propagation: 'complete' });
      expect(await status()).toBe(401);
      await eventually(async () => (await fenceOf(clientId)).length === 0);
    } finally {
      app.getHttpServer().closeAllConnections();
      await app.close();
    }
  });

  it.each([['cn_live_000000000000'], ['nonsense'], ['CN_LIVE_000000000000']])('knows no %s', async (id) => {
    expect(await cli(['clients', 'revoke', id, '--json'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'There is no client with this id.\n',
    });
  });
});

describe('wrong words', () => {
  it.each([
    [[], 'The topics are clients and users.'],
    [['roles'], 'The topics are clients and users.'],
    [['users'], 'users takes create.'],
    [['users', 'create'], '--email must be an e-mail address like ada@example.com.'],
    [['clients', 'create', '--name', ''], '--name must be a text of 1 to 128 characters without control characters.'],
  ] as const)('%j: says what, exits 2 and needs no database', async (words, sentence) => {
    const { code, stdout, stderr } = await cli(words, {});
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^.*\n\nUsage: npm run --silent cli -- <command>\n/);
    expect(stderr.split('\n', 1)).toEqual([sentence]);
  });

  it('--help shows the usage and succeeds', async () => {
    const { code, stdout } = await cli(['--help'], {});
    expect(code).toBe(0);
    expect(stdout).toContain('clients create --name <name>');
  });

  it.each([
    [['--tier', 'platinum'], '--tier must be one of free, paid.\n'],
    [['--expires-at', '2020-01-01T00:00:00Z'], '--expires-at must be in the future.\n'],
  ])('%j: says what, and makes nothing', async (words, stderr) => {
    const outcome = await cli(['clients', 'create', '--name', 'never made', ...words, '--json']);
    expect(outcome).toEqual({ code: 1, stdout: '', stderr });
    expect(await database.query(`SELECT 1 FROM clients WHERE name = 'never made'`)).toEqual([]);
  });
});

describe('the database', () => {
  const list = ['clients', 'list', '--json'];

  it.each([
    ['is not named', {}, /^The environment is not valid:\n {2}DATABASE_URL: must be a postgres:\/\/ URL/],
    [
      'is named wrongly',
      { DATABASE_URL: 'mysql://pass-word-canary@h/d' },
      /^The environment is not valid:\n {2}DATABASE_URL: /,
    ],
    ['is away', { DATABASE_URL: NOBODY }, /^DATABASE_URL: PostgreSQL does not answer there\./],
  ])('%s: one sentence, within seconds, without the value', async (_what, env, sentence) => {
    const started = performance.now();
    const { code, stdout, stderr } = await cli(list, env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('pass-word-canary');
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it('answers nothing: given up within seconds', async () => {
    const proxy = await TcpProxy.start(database.url);
    proxy.blackHole();
    const { code, stderr } = await cli(list, { DATABASE_URL: proxy.through(database.url) });
    await proxy.stop();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^DATABASE_URL: PostgreSQL does not answer there\./);
  });

  it('refuses the password', async () => {
    const url = new URL(database.url);
    url.password = 'pass-word-canary';
    const { code, stderr } = await cli(list, { DATABASE_URL: url.href });
    expect([code, stderr]).toEqual([
      1,
      'DATABASE_URL: PostgreSQL refused the user, the password or the name of the database.\n',
    ]);
  });

  it('has no tables yet', async () => {
    const empty = await createEmptyDatabase();
    const { code, stderr } = await cli(list, { DATABASE_URL: empty.url });
    await empty.drop();
    expect([code, stderr]).toEqual([1, 'DATABASE_URL: this database is not up to date. Run: npm run migrate\n']);
  });
});

describe('the environment', () => {
  it('may be in .env, and is stronger where it is set', async () => {
    writeFileSync(join(folder, '.env'), `DATABASE_URL=${database.url}\nPORT=not-a-port\n`);
    expect((await json(['clients', 'list'], {})).data).toBeDefined();
    expect((await cli(['clients', 'list'], { DATABASE_URL: NOBODY })).code).toBe(1);
  });

  it('finds the embedded database, and leaves Redis alone as that does', async () => {
    mkdirSync(join(folder, '.data'));
    writeFileSync(join(folder, '.data/env'), `# made\nDATABASE_URL=${database.url}\nMASTER_KEY=${'k'.repeat(40)}\n`);
    const { clientId } = await insertClient(database);
    const revoked = await json(['clients', 'revoke', clientId], { REDIS_URL: redis.url });
    expect(revoked.propagation).toBe('complete');
    expect(await redis.client.exists(`cn:{${clientId}}:fence`)).toBe(0);
  });

  it('says so when a file of it cannot be read', async () => {
    mkdirSync(join(folder, '.env'));
    const { code, stderr } = await cli(['clients', 'list']);
    expect(code).toBe(1);
    expect(stderr).toContain('.env: cannot be read (EISDIR); run this as the account that owns it');
  });

  it('does not have to be right for what commands do not need', async () => {
    const env = { DATABASE_URL: database.url, PORT: 'x', MASTER_KEY: 'short', LOG_LEVEL: 'loud', TRUSTED_PROXIES: '?' };
    expect((await json(['clients', 'list'], env)).data).toBeDefined();
  });
});
