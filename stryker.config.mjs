import jest from './jest.config.mjs';

// The sandbox is the root of what is mutated: a `rootDir` given here would lead back to the sources.
const { rootDir: _, ...unit } = jest.projects.find(({ displayName }) => displayName === 'unit');

const ROOMS = ['src/identity/clients', 'src/traffic/rate-limit'];

/** Mutation tests of the credential check and the token bucket, by their unit tests alone. */
export default {
  mutate: [
    'src/identity/clients/{api-key,hmac-sha256,credential-seal,secret-matcher,coalesced-reader,cached-credential}.ts',
    'src/identity/clients/{credential.service,credential-cache,credential-reader}.ts',
    'src/traffic/rate-limit/{bucket-policy,in-process-buckets,limit-decision}.ts',
  ],
  testRunner: 'jest',
  jest: { config: { ...unit, projects: [], testMatch: ROOMS.map((room) => `<rootDir>/${room}/*.spec.ts`) } },
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  ignorePatterns: ['**', '!src/**', '!test/support/**', '!package.json', '!tsconfig.json', '!jest.config.mjs'],
  reporters: ['clear-text', 'progress', 'json'],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  jsonReporter: { fileName: 'reports/mutation.json' },
  allowConsoleColors: false,
  thresholds: { high: 95, low: 85, break: 85 },
};
