import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync } from 'class-validator';
import { Settings } from './settings.js';

/** The environment cannot be served from. The message names each bad variable and never holds a value. */
export class InvalidSettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The environment is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'InvalidSettingsError';
  }
}

/** The names of all settings: what the class declares a rule for. */
export function settingNames(): string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Settings, '', true, false);
  return [...new Set(rules.map((rule) => rule.propertyName))];
}

/**
 * Reads, checks and freezes the settings. An empty variable counts as absent, as in a `.env` file that lists all of
 * them.
 *
 * @throws InvalidSettingsError naming every bad or missing variable.
 */
export function loadSettings(env: NodeJS.ProcessEnv): Settings {
  const given: Record<string, string> = {};
  for (const name of settingNames()) {
    const value = env[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const settings = plainToInstance(Settings, given, { exposeDefaultValues: true });
  const problems = validateSync(settings, { forbidUnknownValues: true }).map(
    (error) =>
      `${error.property}: ${Object.values(error.constraints ?? {})
        .join('; ')
        .replaceAll(`${error.property} `, '')}`,
  );
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  return Object.freeze(settings);
}
