import { loadSettings } from '../../src/platform/config/load-settings.js';
import type { Settings } from '../../src/platform/config/settings.js';

/** Budgets of wrong credentials that no test meets by accident. */
export const MANY_ATTEMPTS = {
  AUTH_FAILURES_PER_ADDRESS: '100000/60',
  AUTH_FAILURES_PER_CLIENT: '100000/60',
  AUTO_BLOCK_FAILURES: 'off',
  AUTO_BLOCK_CLIENT_IDS: 'off',
};

/**
 * Settings for a test: the shared PostgreSQL, no Redis unless asked for, cheap hashing. Overrides are environment
 * variables, so they are checked as in production.
 */
export function buildSettings(overrides: Partial<Record<keyof Settings, string>> = {}): Settings {
  return loadSettings({
    DATABASE_URL: process.env.TEST_POSTGRES_URL ?? 'postgres://nobody@127.0.0.1:1/none',
    MASTER_KEY: 'a master key that only tests know of',
    PORT: '0',
    LOG_LEVEL: 'silent',
    BCRYPT_COST: '4',
    PASSWORD_BCRYPT_COST: '4',
    // Nobody is there: what a test wants to read, it has sent to a server of its own.
    MAIL_URL: 'smtp://127.0.0.1:1',
    ...MANY_ATTEMPTS,
    ...overrides,
  });
}
