import jest from './jest.config.mjs';

// The sandbox is the root of what is mutated: a `rootDir` given here would lead back to the sources.
const { rootDir: _, ...unit } = jest.projects.find(({ displayName }) => displayName === 'unit');

const MUTATED = {
  'src/identity/clients': [
    'api-key',
    'cached-credential',
    'coalesced-reader',
    'credential-cache',
    'credential-reader',
    'credential-seal',
    'credential.service',
    'hmac-sha256',
    'secret-matcher',
  ],
  'src/traffic/rate-limit': ['bucket-policy', 'in-process-buckets', 'limit-decision'],
};
const files = Object.entries(MUTATED).flatMap(([room, names]) => names.map((name) => `${room}/${name}`));

/** Mutation tests of the credential check and the token bucket, by the specifications beside them alone. */
export default {
  mutate: files.map((file) => `${file}.ts`),
  testRunner: 'jest',
  jest: {
    config: {
      ...unit,
      projects: [],
      testMatch: files.map((file) => `<rootDir>/${file}{,.*}.spec.ts`),
      moduleNameMapper: {
        '(/clients\\.repository\\.js|/secret-hasher\\.service\\.js|^ioredis)$':
          '<rootDir>/test/support/mutation/nothing.ts',
        ...unit.moduleNameMapper,
      },
      setupFiles: [...unit.setupFiles, '<rootDir>/test/support/mutation/setup.ts'],
    },
  },
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  // Each run of jest in the same process leaves modules behind.
  maxTestRunnerReuse: 40,
  // Endless loops end by a count. A time only bounds what waits for ever, and must bear a busy machine.
  timeoutMS: 30_000,
  coverageAnalysis: 'perTest',
  concurrency: 2,
  ignorePatterns: ['**', '!src/**', '!test/support/**', '!package.json', '!tsconfig.json', '!jest.config.mjs'],
  reporters: ['clear-text', 'progress-append-only', 'json'],
  clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
  jsonReporter: { fileName: 'reports/mutation.json' },
  allowConsoleColors: false,
  thresholds: { high: 95, low: 85, break: 85 },
};
