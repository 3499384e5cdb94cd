import { InvalidSettingsError, loadSettings, settingNames } from './load-settings.js';

const valid = { DATABASE_URL: 'postgres://u:p@127.0.0.1/db', MASTER_KEY: 'm'.repeat(32) };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadSettings(env);
  } catch (error) {
    if (error instanceof InvalidSettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadSettings', () => {
  it('fills in the defaults and freezes', () => {
    const settings = loadSettings(valid);
    expect(settings).toMatchObject({ PORT: 3000, HOST: '127.0.0.1', AUTH_CACHE_TTL_SECONDS: 300 });
    expect(settings.REDIS_URL).toBeUndefined();
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('reads numbers, and an empty variable as absent', () => {
    const settings = loadSettings({ ...valid, PORT: '8080', REDIS_URL: '', RATE_LIMITS: '' });
    expect(settings).toMatchObject({ PORT: 8080, RATE_LIMITS: '' });
    expect(settings.REDIS_URL).toBeUndefined();
  });

  it('names every bad and missing variable at once', () => {
    const problems = problemsOf({ PORT: 'x', MASTER_KEY: 'short' });
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual(['DATABASE_URL', 'MASTER_KEY', 'PORT']);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '1.5'],
    ['DATABASE_URL', 'mysql://canary'],
    ['REDIS_URL', 'http://canary'],
    ['MASTER_KEY', 'canary'],
    ['TRUSTED_PROXIES', '10.0.0.0/33'],
    ['TRUSTED_PROXIES', 'canary'],
    ['CORS_ALLOWED_ORIGINS', 'https://app.example.com/path'],
    ['OPENAI_BASE_URL', 'https://canary:canary@api.openai.com/v1'],
    ['OPENAI_BASE_URL', 'https://api.openai.com/v1/'],
    ['GEMINI_BASE_URL', 'ftp://canary'],
    ['RATE_LIMITS', 'general=0/60'],
    ['RATE_LIMITS', 'canary=1/60'],
    ['RATE_LIMITS', 'general.canary=100'],
    ['MODEL_ALIASES', 'fast=canary'],
    ['LOG_LEVEL', 'canary'],
    ['BCRYPT_COST', '3'],
    ['AUTH_CACHE_RECHECK_SECONDS', '0'],
    ['QUERY_DEFAULT_MODEL', 'canary'],
  ])('refuses %s=%s by its name and without its value', (name, value) => {
    const [problem = '', ...others] = problemsOf({ ...valid, [name]: value });
    expect(others).toEqual([]);
    expect(problem.startsWith(`${name}: `)).toBe(true);
    expect(problem).not.toContain(value);
  });

  it.each([
    ['TRUSTED_PROXIES', '10.0.0.0/8, ::1,fd00::/8'],
    ['RATE_LIMITS', 'general.free=100/3600,general.gold=5000/60,query=10/60'],
    ['MODEL_ALIASES', 'fast=openai/gpt-4o-mini,smart=anthropic/claude-sonnet-4-5'],
    ['CORS_ALLOWED_ORIGINS', 'https://app.example.com,http://localhost:5173'],
  ])('takes %s=%s', (name, value) => {
    expect(problemsOf({ ...valid, [name]: value })).toEqual([]);
  });

  it('knows the name of every setting', () => {
    expect(settingNames()).toEqual(
      expect.arrayContaining(['PORT', 'DATABASE_URL', 'MASTER_KEY', 'REDIS_URL', 'OPENAI_API_KEY', 'RATE_LIMITS']),
    );
  });
});
