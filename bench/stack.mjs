// Everything a run needs beside the servers under test, on the core of the load.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { built, builtPath } from './built.mjs';
import { LOAD_CORE, ROOT } from './machine.mjs';
import { Server } from './server.mjs';

const NOBODY = 65_534;
const SCOPES = ['llm:invoke', 'metrics:read', 'clients:read', 'logs:read'];
const SERVERS = join(ROOT, 'bench/servers');
const PORTKEY = join(ROOT, 'node_modules/@portkey-ai/gateway/build/start-server.js');

/** PostgreSQL, Redis, the upstream and a client of a tier without practical limit; servers are started when asked for. */
export class Stack {
  #stops = [];
  #servers = new Map();

  /** @param profile folder for CPU profiles of core-nest, or undefined. */
  constructor(profile) {
    this.profile = profile === undefined ? undefined : resolve(profile);
    this.directory = mkdtempSync(join(tmpdir(), 'core-nest-bench-'));
    this.loopDelayFile = join(this.directory, 'loop-delay.json');
  }

  async start() {
    await this.#startPostgres();
    this.redis = await this.startRedis();
    this.upstream = await this.#server({
      name: 'upstream',
      words: [join(SERVERS, 'upstream.mjs')],
      readyPath: '/events',
      core: LOAD_CORE,
    });
    const { migrate } = await built('platform/database/migrate.js');
    await migrate(this.postgresUrl);
    this.settings = {
      DATABASE_URL: this.postgresUrl,
      MASTER_KEY: randomBytes(32).toString('hex'),
      RATE_LIMITS: 'general.bench=900000000/3600',
      BCRYPT_COST: '10',
      // Else the guesses of one section would be refused before they cost anything, and the next sections with them.
      AUTH_FAILURES_PER_ADDRESS: '10000/60',
      AUTH_FAILURES_PER_CLIENT: '10000/60',
      AUTO_BLOCK_FAILURES: 'off',
      AUTO_BLOCK_CLIENT_IDS: 'off',
      LOG_LEVEL: 'warn',
      OPENAI_API_KEY: 'sk-bench',
      OPENAI_BASE_URL: `${this.upstream.origin}/v1`,
    };
    this.client = await this.#createClient();
  }

  bareNest() {
    return this.#server({ name: 'bare-nest', words: [join(SERVERS, 'bare-nest.mjs')], readyPath: '/small' });
  }

  minimalProxy() {
    return this.#server({
      name: 'minimal-proxy',
      words: [join(SERVERS, 'minimal-proxy.mjs')],
      env: { UPSTREAM: this.upstream.origin },
      readyPath: '/ready',
    });
  }

  bcryptEveryHit() {
    return this.#server({
      name: 'bcrypt-every-hit',
      words: [join(SERVERS, 'bcrypt-every-hit.mjs')],
      env: { REDIS_URL: this.redis.url },
      readyPath: '/ready',
    });
  }

  /** Better Auth on the same stores, beside core-nest's tables; installed the first time it is asked for. */
  async betterAuth({ redis }) {
    const peers = join(ROOT, 'bench/peers');
    if (!existsSync(join(peers, 'node_modules')))
      await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit'], { cwd: peers });
    return this.#server({
      name: redis ? 'better-auth-redis' : 'better-auth',
      words: [join(SERVERS, 'better-auth.mjs')],
      env: {
        PEERS: join(peers, 'package.json'),
        DATABASE_URL: this.postgresUrl,
        ...(redis ? { REDIS_URL: this.redis.url } : {}),
      },
      readyPath: '/credentials',
    });
  }

  portkey() {
    return this.#server({ name: 'portkey', words: [PORTKEY, '--port={port}', '--headless'], readyPath: '/' });
  }

  /**
   * core-nest as `npm start` runs it; `redis: false` on in-process state, another Redis than the common one by itself.
   *
   * @param name of a server of its own.
   * @param env settings beside the common ones.
   */
  coreNest({ redis, name = redis ? 'core-nest' : 'core-nest-without-redis', core, env = {} }) {
    const words = ['--import', join(SERVERS, 'loop-delay.mjs'), builtPath('main.js')];
    if (this.profile !== undefined)
      words.unshift('--cpu-prof', `--cpu-prof-dir=${this.profile}`, `--cpu-prof-name=${name}.cpuprofile`);
    return this.#server({
      name,
      words,
      env: {
        ...this.settings,
        LOOP_DELAY_FILE: this.loopDelayFile,
        ...(redis ? { REDIS_URL: redis.url ?? this.redis.url } : {}),
        ...env,
      },
      readyPath: '/health/ready',
      core,
    });
  }

  /** One of several on the common stores. */
  replica(number, core) {
    return this.coreNest({ redis: true, name: `core-nest-replica-${number}`, core });
  }

  /** Servers behind one address; their CPU is counted together, and the balancer's not at all. */
  async balanced(servers, core = LOAD_CORE) {
    const balancer = await this.#server({
      name: `balancer-of-${servers.length}`,
      words: [join(SERVERS, 'balancer.mjs')],
      env: { TARGETS: servers.map(({ port }) => port).join(',') },
      readyPath: '/health/ready',
      core,
    });
    return {
      origin: balancer.origin,
      get cpuSeconds() {
        return servers.reduce((sum, server) => sum + server.cpuSeconds, 0);
      },
    };
  }

  /** A Redis: `{ url, signal(name) }`. */
  async startRedis() {
    const { freePort } = await built('platform/database/free-port.js');
    const { GuardedProcess } = await built('platform/database/guarded-process.js');
    const port = await freePort();
    const redis = await GuardedProcess.start({
      command: ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      stopSignal: 'TERM',
      output: 'ignore',
    });
    this.#stops.push(() => redis.stop());
    return { url: `redis://127.0.0.1:${port}`, signal: (name) => redis.signal(name) };
  }

  /** Bytes that the common Redis uses for what it holds. */
  async redisBytes() {
    const client = new Redis(this.redis.url);
    const text = await client.info('memory');
    client.disconnect();
    return Number(/^used_memory_dataset:(\d+)/m.exec(text)?.[1]);
  }

  /** Events of streams that the upstream has written since start. */
  async eventsWritten() {
    const response = await fetch(`${this.upstream.origin}/events`);
    return Number(await response.text());
  }

  /** Rows of its API log that a core-nest has written and shed since start. */
  async rowsLogged(server) {
    const headers = { authorization: `Bearer ${this.client.key}` };
    const response = await fetch(`${server.origin}/metrics`, { headers });
    const text = await response.text();
    const of = (kind) => Number(new RegExp(`^core_nest_api_log_rows_total.*"${kind}".* (\\d+)$`, 'm').exec(text)?.[1]);
    return { written: of('written'), shed: of('shed') };
  }

  /** Ends everything that was started, the last first, and removes its files. */
  async stop() {
    const stops = this.#stops.splice(0).reverse();
    for (const stop of stops) await stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Starts a server the first time it is asked for. */
  async #server(options) {
    let server = this.#servers.get(options.name);
    if (server === undefined) {
      server = await Server.start({ ...options, directory: this.directory });
      this.#servers.set(options.name, server);
      this.#stops.push(() => server.stop());
    }
    return server;
  }

  async #startPostgres() {
    const { EmbeddedPostgres } = await built('platform/database/embedded-postgres.js');
    const home = join(this.directory, 'postgres');
    mkdirSync(home);
    if (process.getuid?.() === 0) {
      // Started by root, the server runs as "nobody", who has to reach its folder.
      chownSync(this.directory, NOBODY, NOBODY);
      chownSync(home, NOBODY, NOBODY);
    }
    const postgres = await EmbeddedPostgres.start({
      dataDirectory: join(home, 'data'),
      logFile: join(home, 'postgres.log'),
      role: 'core_nest',
      password: randomBytes(18).toString('base64url'),
    });
    this.#stops.push(() => postgres.stop());
    this.postgresUrl = postgres.url;
  }

  async #createClient() {
    const words = [builtPath('cli.js'), 'clients', 'create', '--name', 'bench', '--tier', 'bench'];
    words.push(...SCOPES.flatMap((scope) => ['--scope', scope]), '--json');
    const env = { PATH: process.env.PATH, ...this.settings };
    const { stdout } = await promisify(execFile)(process.execPath, words, { env, cwd: this.directory });
    const { client_id: id, api_key: key } = JSON.parse(stdout);
    return { id, key };
  }
}
