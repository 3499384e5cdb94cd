import { Clock } from '../../src/kernel/clock.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import type { RedisScript } from '../../src/platform/redis/redis-script.js';
import { BucketPolicy } from '../../src/traffic/rate-limit/bucket-policy.js';
import { takeArguments, takeScripts } from '../../src/traffic/rate-limit/token-bucket.script.js';
import { buildSettings } from '../support/build-settings.js';
import { eventually } from '../support/eventually.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisProcess } from '../support/redis-process.js';
import { SentinelSet } from '../support/redis-sentinel.js';
import { makeCertificates, type TestCertificates } from '../support/test-certificates.js';

/** What docs/guides/redis.md says is enough. */
const RIGHTS = '~cn:* +@read +@write +@scripting +@connection +info +time';
const ECHO_SCRIPT = { name: 'testEcho', keys: 1, lua: 'return ARGV[1]' };
const PASSWORD = 'p@ss/w:rd';

describe('RedisService over TLS and with an account', () => {
  let certificates: TestCertificates;
  let directives: Record<string, string>;

  beforeAll(() => {
    certificates = makeCertificates();
    directives = {
      'tls-cert-file': certificates.certificate,
      'tls-key-file': certificates.key,
      'tls-ca-cert-file': certificates.ca,
      'tls-auth-clients': 'no',
    };
  });
  afterAll(() => certificates?.remove());

  it('takes an account that may do only what the guide says', async () => {
    const rules = [`default off`, `core-nest on >${PASSWORD} ${RIGHTS} +cluster|slots`];
    const server = await RedisProcess.start(() => ({ directives: { user: rules } }));
    const account = { REDIS_USERNAME: 'core-nest', REDIS_PASSWORD: PASSWORD };
    await withService({ REDIS_URL: `redis://${server.address}`, ...account }, async (service) => {
      const [script] = takeScripts();
      const keys = [redisKey.bucket('c1', 'general')];
      const policies = [new BucketPolicy('general', { quota: 2, windowSeconds: 60 })];
      const answer = await service.run(service.defineScript(script as RedisScript), keys, takeArguments(policies, 1));
      expect(answer).toEqual(expect.arrayContaining([1]));
      expect(await service.get(keys[0] as string)).toMatch(/^\d+/);
      await expect(answers(service)).rejects.toThrow('Redis is not available');
      expect(service.stats).toMatchObject({ failures: 1, opened: 0 });
    });
    await server.stop();
  });

  async function withService<T>(env: Record<string, string>, look: (service: RedisService) => Promise<T>): Promise<T> {
    const service = new RedisService(buildSettings(env), new Clock());
    service.defineScript(ECHO_SCRIPT);
    await service.onModuleInit();
    try {
      return await look(service);
    } finally {
      await service.onApplicationShutdown();
    }
  }

  const answers = (service: RedisService) => service.run(ECHO_SCRIPT, ['k'], ['yes']);

  it('speaks to a server whose certificate the given authority vouches for, and comes back to it', async () => {
    const server = await RedisProcess.start(() => ({
      tls: true,
      directives: { ...directives, requirepass: PASSWORD },
    }));
    const REDIS_URL = `rediss://:${encodeURIComponent(PASSWORD)}@${server.address}`;
    await withService({ REDIS_URL, REDIS_TLS_CA_FILE: certificates.ca }, async (service) => {
      expect(await answers(service)).toBe('yes');
      await server.restart();
      await eventually(() => service.state === 'up');
      expect(await answers(service)).toBe('yes');
    });
    const apart = { REDIS_URL: `rediss://localhost:${server.port}`, REDIS_PASSWORD: PASSWORD };
    await withService({ ...apart, REDIS_TLS_CA_FILE: certificates.ca }, async (service) => {
      expect(await answers(service)).toBe('yes');
    });
    await server.stop();
  });

  it.each([
    ['one that nobody vouches for', {}, 'rediss', '127.0.0.1'],
    ['another name than the certificate says', { ca: true }, 'rediss', '127.0.0.2'],
    ['one that is spoken to in the clear', { ca: true }, 'redis', '127.0.0.1'],
  ])('does without %s', async (_what, { ca }: { ca?: boolean }, scheme, host) => {
    const server = await RedisProcess.start(() => ({
      tls: true,
      directives: { ...directives, bind: '127.0.0.1 127.0.0.2' },
    }));
    const env = { REDIS_URL: `${scheme}://${host}:${server.port}`, REDIS_TLS_CA_FILE: ca ? certificates.ca : '' };
    await withService(env, async (service) => {
      expect(service.state).toBe('down');
      await expect(answers(service)).rejects.toThrow('Redis is not available');
    });
    await server.stop();
  });

  it('speaks to a Cluster', async () => {
    const cluster = await RedisCluster.start({ tls: directives });
    await withService({ REDIS_URL: cluster.url, REDIS_TLS_CA_FILE: certificates.ca }, async (service) => {
      expect(service.state).toBe('up');
      for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
        expect(await service.run(ECHO_SCRIPT, [key], ['yes'])).toBe('yes');
    });
    await cluster.stop();
  });

  it('speaks to Sentinels and to the master that they name', async () => {
    const set = await SentinelSet.start({ tls: directives });
    await withService({ REDIS_URL: set.url, REDIS_TLS_CA_FILE: certificates.ca }, async (service) => {
      expect(await answers(service)).toBe('yes');
    });
    await set.stop();
  });
});
