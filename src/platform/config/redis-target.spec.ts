import { InvalidSettingsError, loadSettings } from './load-settings.js';
import { parseRedisTarget, type RedisMode, type RedisTarget } from './redis-target.js';

const plain: RedisTarget = {
  mode: 'single',
  tls: false,
  addresses: [{ host: 'h', port: 6379 }],
  username: undefined,
  password: undefined,
  masterName: '',
  database: 0,
};
const two = [
  { host: 'h1', port: 1 },
  { host: 'h2', port: 2 },
];

describe('parseRedisTarget', () => {
  it.each<[string, Partial<RedisTarget>]>([
    ['redis://h', {}],
    ['redis://h:7000/3', { addresses: [{ host: 'h', port: 7000 }], database: 3 }],
    ['redis://[::1]:7000', { addresses: [{ host: '::1', port: 7000 }] }],
    ['rediss://h/', { tls: true }],
    ['redis://:p%40s%3As@h', { password: 'p@s:s' }],
    ['redis://u:a:b@h', { username: 'u', password: 'a:b' }],
    ['redis+sentinel://h/m', { mode: 'sentinel', addresses: [{ host: 'h', port: 26379 }], masterName: 'm' }],
    [
      'redis+sentinel://:p@h1:1,h2:2/m/4',
      { mode: 'sentinel', addresses: two, password: 'p', masterName: 'm', database: 4 },
    ],
    ['rediss+cluster://h1:1,h2:2', { mode: 'cluster', tls: true, addresses: two }],
    ['redis+cluster://h/0', { mode: 'cluster' }],
  ])('reads %s', (text, expected) => {
    expect(parseRedisTarget(text)).toEqual({ ...plain, ...expected });
  });

  it.each<[string, RedisMode, string | undefined, Partial<RedisTarget>]>([
    ['h', 'single', undefined, {}],
    ['h1:1,h2:2', 'cluster', undefined, { addresses: two }],
    ['rediss://h1:1,h2:2', 'cluster', undefined, { addresses: two, tls: true }],
    ['h1:1,h2:2', 'sentinel', 'm', { addresses: two, masterName: 'm' }],
    ['h1:1,h2:2/5', 'sentinel', 'm', { addresses: two, masterName: 'm', database: 5 }],
    ['redis+sentinel://h1:1,h2:2/m', 'sentinel', undefined, { addresses: two, masterName: 'm' }],
  ])('reads %s as %s', (text, mode, name, expected) => {
    expect(parseRedisTarget(text, mode, name)).toEqual({ ...plain, mode, ...expected });
  });
});

describe('the settings of Redis', () => {
  const valid = { DATABASE_URL: 'postgres://u:p@127.0.0.1/db', MASTER_KEY: 'm'.repeat(32) };
  function problemsOf(env: Record<string, string>): readonly string[] {
    try {
      loadSettings({ ...valid, ...env });
    } catch (error) {
      if (error instanceof InvalidSettingsError) return error.problems;
      throw error;
    }
    return [];
  }

  it.each([
    ['another scheme', 'http://canary', {}, 'must be redis://'],
    ['a list without a mode', 'canary:1,canary:2', {}, 'must be redis://'],
    ['a question', 'redis://canary?family=6', {}, 'must be redis://'],
    ['several single servers', 'redis://canary1,canary2', {}, 'names several servers'],
    ['no host', 'redis://:canary@:6379', {}, 'must name its servers'],
    ['a port too high', 'redis://canary:65536', {}, 'must name its servers'],
    ['a port of zero', 'redis://canary:0', {}, 'must name its servers'],
    ['an empty item', 'redis+cluster://canary,,h', {}, 'must name its servers'],
    ['no address in brackets', 'redis://[:::canary]:1', {}, 'must name its servers'],
    ['what cannot be decoded', 'redis://:canary%zz@h', {}, 'percent-encoded'],
    ['a database by name', 'redis://h/canary', {}, 'number of a database'],
    ['more than a database', 'redis://h/1/canary', {}, 'number of a database'],
    ['no name of a master', 'redis+sentinel://canary', {}, 'REDIS_SENTINEL_MASTER'],
    ['a database of a Cluster', 'redis+cluster://canary/1', {}, 'only number 0'],
    ['two modes', 'redis+cluster://canary', { REDIS_MODE: 'sentinel' }, 'another mode'],
  ])('refuse %s, by name and without the value', (_what, url, others, said) => {
    const [problem = '', ...more] = problemsOf({ REDIS_URL: url, ...others });
    expect(more).toEqual([]);
    expect(problem).toMatch(/^REDIS_URL: /);
    expect(problem).toContain(said);
    expect(problem).not.toContain('canary');
  });

  it('take a mode, and the name of the master apart', () => {
    const given = { REDIS_URL: 'h1:1,h2:2', REDIS_MODE: 'sentinel', REDIS_SENTINEL_MASTER: 'm', REDIS_PASSWORD: 'p' };
    expect(loadSettings({ ...valid, ...given })).toMatchObject(given);
  });

  it('refuse a mode that there is not, a mode of nothing, and a CA file that holds no certificate', () => {
    expect(problemsOf({ REDIS_URL: 'redis://h', REDIS_MODE: 'canary' })).toEqual([
      expect.stringMatching(/^REDIS_MODE: /),
    ]);
    expect(problemsOf({ REDIS_MODE: 'cluster' })).toEqual(['REDIS_MODE: needs REDIS_URL']);
    for (const file of ['/nowhere/canary.pem', import.meta.filename])
      expect(problemsOf({ REDIS_TLS_CA_FILE: file })).toEqual([
        'REDIS_TLS_CA_FILE: must be a readable file with certificates in PEM',
      ]);
  });
});
