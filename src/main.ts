import { existsSync } from 'node:fs';
import { StartError, serve } from './app.setup.js';
import { InvalidSettingsError, loadSettings } from './platform/config/load-settings.js';
import { configureLog } from './platform/logging/log.js';
import { logError } from './platform/logging/log-error.js';

if (existsSync('.env')) process.loadEnvFile();
try {
  const settings = loadSettings(process.env);
  configureLog(settings.LOG_LEVEL);
  await serve(settings);
} catch (error) {
  if (error instanceof InvalidSettingsError || error instanceof StartError)
    process.stderr.write(`${error.message}
`);
  else logError(error, { context: 'start', level: 'fatal' });
  process.exit(1);
}
