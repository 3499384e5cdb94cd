import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { InvalidSettingsError } from './load-settings.js';

const ENV_FILE = '.env';
const EMBEDDED_ENV_FILE = path.join('.data', 'env');

/**
 * The environment for a command run beside an installation: what is set, then what `.env` says, and, when neither names
 * a database, the embedded one that the quickstart left in `.data/env` (which never uses Redis).
 *
 * @throws InvalidSettingsError when one of these files is there and cannot be read.
 */
export function readEnvironment(directory: string, given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const env = { ...readEnvFile(path.join(directory, ENV_FILE)), ...given };
  if (env.DATABASE_URL) return env;
  const embedded = readEnvFile(path.join(directory, EMBEDDED_ENV_FILE));
  return embedded.DATABASE_URL ? { ...env, ...embedded, REDIS_URL: '', REDIS_MODE: '' } : env;
}

function readEnvFile(file: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw new InvalidSettingsError([`${file}: cannot be read (${code}); run this as the account that owns it`]);
  }
}
