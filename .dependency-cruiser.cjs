const WINGS = ['kernel', 'platform', 'records', 'identity', 'traffic'];
const ROOMS = '(records|identity|traffic)';

/** A wing imports only from the wings before it. */
const wingOrder = WINGS.slice(0, -1).map((wing, position) => ({
  name: `wing-order-${wing}`,
  comment: `${wing} imports from no wing after it: move the shared word down, or turn the dependency round.`,
  severity: 'error',
  from: { path: `^src/${wing}/` },
  to: { path: `^src/(${WINGS.slice(position + 1).join('|')})/` },
}));

const only = (name, dependency, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^src/', pathNot: allowed },
  to: { path: `(^|node_modules/)${dependency}(/|$)` },
});

module.exports = {
  forbidden: [
    ...wingOrder,
    {
      name: 'wings-do-not-know-the-app',
      comment: 'The app imports the rooms, never the other way round.',
      severity: 'error',
      from: { path: `^src/(${WINGS.join('|')})/` },
      to: { path: '^src/[^/]+$' },
    },
    {
      name: 'no-cycles',
      comment: 'Type imports count too.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'rooms-have-one-door',
      comment:
        'Another room is entered only by its module or service: its entities, repositories and DTOs are private.',
      severity: 'error',
      from: { path: `^src/${ROOMS}/([^/]+)/` },
      to: { path: `^src/${ROOMS}/[^/]+/`, pathNot: ['^src/$1/$2/', '\\.(module|service)\\.ts$'] },
    },
    {
      name: 'auth-is-known-to-the-app-alone',
      comment: 'Guards meet through AuthState in the kernel.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/identity/auth/', '^src/[^/]+$'] },
      to: { path: '^src/identity/auth/' },
    },
    only(
      'typeorm-stays-in-repositories',
      'typeorm',
      ['\\.(entity|repository|module)\\.ts$', '^src/platform/database/'],
      'The rules of a room do not know how its rows are stored.',
    ),
    {
      name: 'lists-alone-read-from-a-replica',
      comment: 'A replica lags: what is decided, authentication above all, is decided on the primary.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/platform/database/',
          '^src/records/',
          '(clients|users)-list\\.repository\\.ts$',
          'clients-command\\.module\\.ts$',
          '\\.spec\\.ts$',
        ],
      },
      to: { path: '^src/platform/database/read-database\\.ts$' },
    },
    only(
      'pg-stays-in-repositories',
      '(pg|pg-copy-streams)',
      ['\\.repository\\.ts$', '^src/platform/database/'],
      'The rules of a room do not know how its rows are stored.',
    ),
    only(
      'ioredis-stays-in-platform-redis',
      'ioredis',
      ['^src/platform/redis/'],
      'A room hands platform/redis a script or asks for a typed operation.',
    ),
    only(
      'providers-are-spoken-to-by-the-gateway',
      'undici',
      ['^src/traffic/gateway/'],
      'No other room opens connections to the outside.',
    ),
    only(
      'mail-is-sent-by-platform-mail',
      'nodemailer',
      ['^src/platform/mail/'],
      'A room hands its mail to MailService, and does not wait for a mail server.',
    ),
    only(
      'maxmind-stays-in-platform-geo',
      'maxmind',
      ['^src/platform/geo/'],
      'A room asks Countries; it does not know how the file is made.',
    ),
    only(
      'bowser-stays-in-sessions',
      'bowser',
      ['^src/identity/sessions/'],
      'What a user agent says is shown of sessions, and decides nothing.',
    ),
    {
      name: 'sources-stand-alone',
      comment: 'What is shipped does not need what tests it; migrations are found by their folder.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(test|migrations|bench)/' },
    },
    {
      name: 'specs-are-leaves',
      severity: 'error',
      from: {},
      to: { path: '\\.spec\\.ts$' },
    },
    {
      name: 'no-development-packages',
      comment: 'What src imports must be in the image.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'not-resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
