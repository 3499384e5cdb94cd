import './test/support/ts-imports.mjs';

const swc = {
  jsc: {
    target: 'es2024',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  // CommonJS: the native ESM mode of jest cannot load Nest's require cycles.
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

const base = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.data/', '<rootDir>/.stryker-tmp/'],
  setupFiles: ['reflect-metadata'],
  restoreMocks: true,
};

/** Tests that get one PostgreSQL and one Redis of this run, as `TEST_POSTGRES_URL` and `TEST_REDIS_URL`. */
const withServers = (name) => ({
  ...base,
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.spec.ts`],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
});

/** What is checked against each shape of Redis again: all that authenticates, revokes and limits. */
const ON_ANY_REDIS = [
  'security/{revocation,limits,credentials}',
  'integration/{credential-cache,credential-degraded,failure-budget,leases.service,limiter.service,limits-exactness}',
  'integration/{redis.service,throttle.guard,token-bucket-laws}',
];

/** The same tests again, on the shape of Redis that test/support/redis-shape.ts finds in the globals. */
const onShape = (shapeOfRedis) => ({
  ...withServers(shapeOfRedis),
  testMatch: ON_ANY_REDIS.map((files) => `<rootDir>/test/${files}.spec.ts`),
  globals: { shapeOfRedis },
});

export default {
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.spec.ts'] },
    withServers('integration'),
    withServers('e2e'),
    withServers('security'),
    onShape('cluster'),
    onShape('sentinel'),
    // What compares times: run alone, one after the other.
    withServers('timing'),
  ],
  testTimeout: 30_000,
  maxWorkers: '100%',
  workerIdleMemoryLimit: '768MB',
  passWithNoTests: true,
  // Processes start and stop, and only child processes of the tests run these.
  collectCoverageFrom: ['src/**/*.ts', '!src/**/*.spec.ts', '!src/*.ts'],
  coverageDirectory: 'coverage',
  coverageProvider: 'babel',
  coverageReporters: ['text-summary', 'json-summary', 'lcovonly'],
  coverageThreshold: {
    global: { statements: 90, branches: 90 },
    './src/identity/': { statements: 95, branches: 95 },
    './src/traffic/rate-limit/': { statements: 95, branches: 95 },
    './src/records/': { statements: 95, branches: 95 },
  },
};
