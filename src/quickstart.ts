import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { StartError, serve } from './app.setup.js';
import { ClientsService } from './identity/clients/clients.service.js';
import { OPERATOR } from './identity/clients/grantor.js';
import { InvalidSettingsError, loadSettings } from './platform/config/load-settings.js';
import type { Settings } from './platform/config/settings.js';
import { EmbeddedPostgresError } from './platform/database/embedded-binaries.js';
import { EmbeddedHome } from './platform/database/embedded-home.js';
import type { EmbeddedPostgres } from './platform/database/embedded-postgres.js';
import { migrate } from './platform/database/migrate.js';
import { configureLog } from './platform/logging/log.js';
import { type FirstKeys, newKeyLines, pasteableLines } from './quickstart.lines.js';

/** What the reader can put right. Anything else is a fault of ours. */
class CannotStart extends Error {}

async function quickstart(): Promise<void> {
  const started = performance.now();
  const directory = join(process.cwd(), '.data');
  const home = await EmbeddedHome.open(directory);
  const { PORT, HOST } = serveSettings({ DATABASE_URL: 'postgres://later', MASTER_KEY: 'later'.repeat(8) });
  await assertFree(PORT, HOST);

  step('database', 'starting PostgreSQL …');
  const { postgres, settings: embedded } = await home.startPostgres();
  const applied = await migrate(embedded.DATABASE_URL);
  step('database', describeDatabase(postgres, applied));

  const settings = serveSettings({ ...embedded });
  configureLog(settings.LOG_LEVEL);
  const app = await serve(settings, (code) => void stopDatabase(postgres, code));
  const keys = home.firstStart ? await makeFirstClients(app.get(ClientsService, { strict: false })) : undefined;
  home.markFirstStartDone();
  step('server', `ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  print(app, settings, keys);
}

function serveSettings(embedded: Record<string, string>): Settings {
  return loadSettings({
    LOG_LEVEL: 'warn',
    SHUTDOWN_GRACE_SECONDS: '5',
    ...process.env,
    ...embedded,
    REDIS_URL: '',
    REDIS_MODE: '',
  });
}

function step(title: string, text: string): void {
  console.log(`${title.padEnd(12)} ${text}`);
}

function describeDatabase(postgres: EmbeddedPostgres, applied: readonly string[]): string {
  const data = postgres.created ? 'new, in ./.data' : 'your data of earlier starts was kept in ./.data';
  return `${data}; ${applied.length === 0 ? 'schema up to date' : `${applied.length} migrations applied`}`;
}

async function makeFirstClients(clients: ClientsService): Promise<FirstKeys> {
  const admin = await clients.create(OPERATOR, { name: 'admin', scopes: ['admin'] });
  const demo = await clients.create(OPERATOR, { name: 'demo' });
  return { admin: admin.credential.apiKey.reveal(), demo: demo.credential.apiKey.reveal() };
}

/** Last step of the shutdown: nothing needs the database any more. */
async function stopDatabase(postgres: EmbeddedPostgres, code: number): Promise<void> {
  await postgres.stop();
  if (code === 0) console.log('\nStopped. Your data is in ./.data');
  process.exit(code);
}

async function assertFree(port: number, host: string): Promise<void> {
  const probe = createServer().listen(port, host);
  try {
    await once(probe, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new CannotStart(
        `Port ${port} is taken: stop the program that uses it, or choose another one: PORT=${port + 1} npm run quickstart`,
      );
    }
    throw new CannotStart(`Port ${port} on ${host} cannot be opened (${code}): choose others, for example PORT=3001.`);
  }
  probe.close();
  await once(probe, 'close');
}

function print(app: NestFastifyApplication, { HOST }: Settings, keys: FirstKeys | undefined): void {
  const { port } = app.getHttpServer().address() as { port: number };
  const host = HOST === '0.0.0.0' || HOST === '::' ? '127.0.0.1' : HOST.includes(':') ? `[${HOST}]` : HOST;
  const origin = `http://${host}:${port}`;
  const keyLines = keys
    ? `Keys, shown this once only:\n  admin  ${keys.admin}\n  demo   ${keys.demo}`
    : `The keys were shown on the first start. To make others, paste:\n\n${newKeyLines()}`;
  console.log(`\ncore-nest is serving on ${origin} (its pages: ${origin}/docs). Ctrl-C stops it.\n`);
  console.log(
    `${keyLines}\n\nPaste into another terminal${keys ? '' : ', then'}:\n\n${pasteableLines(origin, keys)}\n`,
  );
}

function explain(error: unknown): string {
  const known = [CannotStart, EmbeddedPostgresError, InvalidSettingsError, StartError];
  if (known.some((kind) => error instanceof kind)) return (error as Error).message;
  // Allow-listed fields alone: a message may hold what must not be seen.
  const { name = 'Error', code = '' } = error as { name?: string; code?: string };
  return `core-nest could not start (${`${name} ${code}`.trim()}); what PostgreSQL said is in .data/postgres.log.`;
}

process.on('SIGHUP', () => process.kill(process.pid, 'SIGTERM'));
// The launcher is gone, however it went: nobody is left to press Ctrl-C.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));

quickstart().catch((error: unknown) => {
  console.error(`\n${explain(error)}`);
  process.exit(1);
});
