import { randomBytes } from 'node:crypto';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CLIENTS_USAGE, inOptionNames, parseClientsCommand } from './identity/clients/clients-command.js';
import { ClientsCommandModule } from './identity/clients/clients-command.module.js';
import { ClientsCommandService } from './identity/clients/clients-command.service.js';
import { inUserOptions, parseUsersCommand, USERS_USAGE } from './identity/users/users-command.js';
import { UsersCommandModule } from './identity/users/users-command.module.js';
import { UsersCommandService } from './identity/users/users-command.service.js';
import { AppError, InvalidRequestError } from './kernel/app-error.js';
import { Secret } from './kernel/secret.js';
import { type CommandResult, UsageError } from './platform/command-line/command-words.js';
import { InvalidSettingsError, loadSettings } from './platform/config/load-settings.js';
import { readEnvironment } from './platform/config/read-environment.js';
import type { Settings } from './platform/config/settings.js';
import { isDatabaseUnavailable } from './platform/database/database-error.js';

const USAGE = `Usage: npm run --silent cli -- <command>\n\n${CLIENTS_USAGE}\n${USERS_USAGE}\n`;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** Longer than any password. */
const MAX_LINE = 10_000;

/** What the commands read of the environment: a serving process's other settings need not be right for them. */
const NEEDED: readonly (keyof Settings)[] = [
  'DATABASE_URL',
  'REDIS_URL',
  'BCRYPT_COST',
  'PASSWORD_BCRYPT_COST',
  'PASSWORD_COMPOSITION',
  'RATE_LIMITS',
  'AUTH_CACHE_RECHECK_SECONDS',
];

/** SQLSTATEs of a database that this release's migrations have not reached: no such table, no such column. */
const NOT_MIGRATED: readonly unknown[] = ['42P01', '42703'];
const REFUSED_LOGIN: readonly unknown[] = ['28P01', '28000', '3D000'];

/** What goes where, and how the process ends. */
interface Ending {
  readonly code: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** A command that was read: what it does, and how a refusal of its fields is said. */
interface ReadCommand {
  readonly json: boolean;
  run(): Promise<CommandResult>;
  inOptions(error: InvalidRequestError): string;
}

async function main(words: readonly string[]): Promise<Ending> {
  const [topic, ...rest] = words;
  if (topic === '--help' || topic === 'help') return { code: 0, stdout: USAGE };
  let inOptions: ReadCommand['inOptions'] | undefined;
  try {
    const command = await readCommand(topic, rest);
    inOptions = command.inOptions;
    const result = await command.run();
    return { code: 0, stdout: `${command.json ? JSON.stringify(result.json) : result.text}\n` };
  } catch (error) {
    if (error instanceof UsageError) return { code: EXIT_USAGE, stderr: `${error.message}\n\n${USAGE}` };
    return { code: EXIT_FAILED, stderr: `${explain(error, inOptions)}\n` };
  }
}

async function readCommand(topic: string | undefined, words: readonly string[]): Promise<ReadCommand> {
  if (topic === 'clients') {
    const command = await parseClientsCommand(words);
    const run = () => within(ClientsCommandModule.for, ClientsCommandService, (service) => service.run(command));
    return { json: command.json, run, inOptions: inOptionNames };
  }
  if (topic === 'users') {
    const command = await parseUsersCommand(words);
    const run = async () => {
      const password = command.readsPassword ? await firstLine() : null;
      return within(UsersCommandModule.for, UsersCommandService, (service) => service.run(command, password));
    };
    return { json: command.json, run, inOptions: inUserOptions };
  }
  throw new UsageError('The topics are clients and users.');
}

/** Waits until all is written: a pipe may be slower than the process's end. */
function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.write(text, () => resolve());
  });
}

/** The first line of what comes in, without its end. @throws UsageError when there is none. */
async function firstLine(): Promise<Secret> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n') || text.length > MAX_LINE) break;
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw new UsageError('--password-stdin: no password came in.');
  return new Secret(line);
}

async function within<Service>(
  moduleFor: (settings: Settings) => DynamicModule,
  service: Type<Service>,
  run: (service: Service) => Promise<CommandResult>,
): Promise<CommandResult> {
  const context = await NestFactory.createApplicationContext(moduleFor(commandSettings()), {
    logger: false,
    abortOnError: false,
  });
  try {
    return await run(context.get(service));
  } finally {
    await context.close();
  }
}

function commandSettings(): Settings {
  const env = readEnvironment(process.cwd(), process.env);
  const needed = Object.fromEntries(NEEDED.map((name) => [name, env[name]]));
  // No command derives a key that must last: whoever has the database's URL need not have the master key.
  return loadSettings({ ...needed, MASTER_KEY: randomBytes(32).toString('hex') });
}

/** One sentence for whoever typed the command. Never an error's own text where that could hold a secret or SQL. */
function explain(error: unknown, inOptions: ReadCommand['inOptions'] | undefined): string {
  if (error instanceof InvalidRequestError && inOptions) return `${inOptions(error)}.`;
  if (error instanceof AppError || error instanceof InvalidSettingsError) return error.message;
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (NOT_MIGRATED.includes(code)) return 'DATABASE_URL: this database is not up to date. Run: npm run migrate';
  if (REFUSED_LOGIN.includes(code))
    return 'DATABASE_URL: PostgreSQL refused the user, the password or the name of the database.';
  if (isDatabaseUnavailable(error))
    return 'DATABASE_URL: PostgreSQL does not answer there. Start it (npm run quickstart starts the embedded one), or correct the address.';
  return `The command failed (${[name, code].filter((part) => typeof part === 'string').join(' ')}).`;
}

const { code, stdout = '', stderr = '' } = await main(process.argv.slice(2));
// Whoever closed a pipe early does not see the rest, and is not told so by a stack.
const written = await Promise.allSettled([write(process.stdout, stdout), write(process.stderr, stderr)]);
process.exit(written.every(({ status }) => status === 'fulfilled') ? code : EXIT_FAILED);
