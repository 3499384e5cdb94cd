import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { dirname, join } from 'node:path';
import { loadSettings, settingNames } from '../../src/platform/config/load-settings.js';
import { parseRedisTarget } from '../../src/platform/config/redis-target.js';
import { at, DEPLOY, listAt, readYaml } from '../support/manifests.js';

/** Seconds the rooms have for their last writes after the last request (see `onApplicationShutdown`), and to spare. */
const FLUSH_SECONDS = 10;
/** What the operator is told to put into `.env`, in the form he is told to. */
const ENV: Record<string, string> = {
  DOMAIN: 'gateway.example.com',
  POSTGRES_PASSWORD: 'a1'.repeat(24),
  REPLICATION_PASSWORD: 'b2'.repeat(24),
  REDIS_PASSWORD: 'c3'.repeat(24),
  MASTER_KEY: 'ab+/'.repeat(16),
};
const VARIABLE = /\$\{([A-Z_]+):\?set it in \.env\}/g;

const single = join(DEPLOY, '../docker-compose.yml');
const cluster = join(DEPLOY, 'compose.cluster.yml');

/** `of` gives a service of the file, or what is at a path in it. */
function open(file: string) {
  const compose = readYaml(file);
  const services = at(compose, 'services') as Record<string, unknown>;
  const replicas = Object.keys(services).filter((name) => /^app(-\d+)?$/.test(name));
  const of = (name: string, path?: string) => (path === undefined ? services[name] : at(services[name], path));
  return { compose, services, replicas, of, text: readFileSync(file, 'utf8'), folder: dirname(file) };
}

describe.each([
  ['docker-compose.yml', single, 1],
  ['deploy/compose.cluster.yml', cluster, 3],
])('%s', (_name, file, count) => {
  const { compose, services, replicas, of, text, folder } = open(file);
  const app = replicas[0] as string;
  const environment = at(of(app), 'environment') as Record<string, string>;

  it('runs its replicas and its migration from one image, the migration first', () => {
    expect(replicas).toHaveLength(count);
    for (const name of replicas) {
      expect(of(name)).toEqual(of(app));
      expect(of(name, 'depends_on.migrate.condition')).toBe('service_completed_successfully');
    }
    expect(of('migrate', 'image')).toBe(of(app, 'image'));
    expect(of('migrate', 'command')).toEqual(['node', 'dist/src/migrate.js']);
    expect(of('migrate', 'restart')).toBe('no');
    expect(existsSync(join(folder, String(of(app, 'build.context')), String(of(app, 'build.dockerfile'))))).toBe(true);
  });

  it('sets nothing that is no setting, and what it sets is valid', () => {
    for (const name of Object.keys(environment)) expect(settingNames()).toContain(name);
    const given = Object.entries(environment).map(([name, value]) => [name, filled(value)]);
    expect(() => loadSettings(Object.fromEntries(given))).not.toThrow();
  });

  it('takes every secret from .env, and says which it needs', () => {
    const needed = new Set([...text.matchAll(VARIABLE)].map(([, name]) => name as string));
    const head = text.slice(0, text.indexOf('\nname:'));
    expect(needed.size).toBeGreaterThan(3);
    for (const name of needed) expect(`${head}${headOf(single)}`).toMatch(new RegExp(`^# +${name} `, 'm'));
    for (const [name, value] of Object.values(services).flatMap((each) =>
      Object.entries(at(each, 'environment') ?? {}),
    ))
      if (/PASSWORD|KEY$|_URL$/.test(name)) expect(filled(value)).not.toBe(value);
  });

  it('mounts files that are there, of scripts that a shell can read', () => {
    const mounted = Object.values(services).flatMap((each) => listAt(each, 'volumes').map(String));
    const files = mounted
      .filter((each) => each.startsWith('.'))
      .map((each) => join(folder, each.split(':')[0] as string));
    expect(files).toContain(join(DEPLOY, 'Caddyfile'));
    for (const path of files) {
      expect(existsSync(path)).toBe(true);
      if (path.endsWith('.sh')) expect(spawnSync('sh', ['-n', path]).status).toBe(0);
    }
    const named = mounted.filter((each) => !each.startsWith('.')).map((each) => each.split(':')[0]);
    expect(new Set(named)).toEqual(new Set(Object.keys(at(compose, 'volumes') as object)));
  });

  it('lets a replica do nothing that it need not, and gives it the time to leave', () => {
    expect(of(app)).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    const { SHUTDOWN_GRACE_SECONDS } = loadSettings({ ...ENV, DATABASE_URL: 'postgres://x/y' });
    expect(seconds(of(app, 'stop_grace_period'))).toBeGreaterThanOrEqual(SHUTDOWN_GRACE_SECONDS + FLUSH_SECONDS);
  });

  it('is open to the world at Caddy alone, whose word core-nest believes', () => {
    expect(Object.keys(services).filter((name) => of(name, 'ports') !== undefined)).toEqual(['caddy']);
    const address = String(of('caddy', 'networks.front.ipv4_address'));
    expect(environment).toMatchObject({
      TRUSTED_PROXIES: address,
      TRUSTED_PROXY_HEADER: 'x-forwarded-for',
      HTTPS_REQUIRED: 'on',
    });
    expectFixed(compose, 'front', address);
    const near = Object.keys(services).filter((name) => networksOf(of(name)).includes('front'));
    expect(near.toSorted()).toEqual([...replicas, 'caddy'].toSorted());
  });

  it('has Caddy speak to every replica', () => {
    const upstreams = String(of('caddy', 'environment.UPSTREAMS') ?? defaultUpstreams());
    expect(upstreams.split(' ')).toEqual(replicas.map((name) => `${name}:${environment.PORT}`));
  });

  it('names services that there are', () => {
    expect(services).toHaveProperty(new URL(filled(String(environment.DATABASE_URL))).hostname);
    const { addresses } = parseRedisTarget(filled(String(environment.REDIS_URL)));
    for (const { host } of addresses) expect(services).toHaveProperty(host);
  });
});

describe('deploy/compose.cluster.yml', () => {
  const { compose, services, replicas, of } = open(cluster);
  const environment = of(replicas[0] as string, 'environment') as Record<string, string>;
  const sentinels = Object.keys(services).filter((name) => name.startsWith('sentinel-'));
  const sentinelScript = readFileSync(join(DEPLOY, 'cluster/sentinel.sh'), 'utf8');

  it('finds the master of Redis through all Sentinels, of which a majority decides', () => {
    const target = parseRedisTarget(filled(String(environment.REDIS_URL)));
    const port = Number(of('sentinel-1', 'environment.REDIS_PORT'));
    expect(target.addresses).toEqual(sentinels.map((host) => ({ host, port })));
    expect(target.mode).toBe('sentinel');
    const [, name, quorum] = /^sentinel monitor (\S+) \$REDIS_MASTER (\d+)$/m.exec(sentinelScript) ?? [];
    expect(target.masterName).toBe(name);
    expect(Number(quorum)).toBe(Math.floor(sentinels.length / 2) + 1);
  });

  it('uses one password for Redis and Sentinels, and says both to core-nest', () => {
    const { REDIS_PASSWORD } = ENV;
    expect(parseRedisTarget(filled(String(environment.REDIS_URL))).password).toBe(REDIS_PASSWORD);
    expect(filled(String(environment.REDIS_SENTINEL_PASSWORD))).toBe(REDIS_PASSWORD);
    for (const name of [...sentinels, 'redis-1', 'redis-2'])
      expect(filled(String(of(name, 'environment.REDIS_PASSWORD')))).toBe(REDIS_PASSWORD);
  });

  it('has Redis at addresses that stay, since Sentinels remember addresses', () => {
    const [first, second] = ['redis-1', 'redis-2'].map((name) => String(of(name, 'networks.back.ipv4_address')));
    expect(first).not.toBe(second);
    for (const address of [first, second]) expectFixed(compose, 'back', String(address));
    expect(of('redis-1', 'environment.REDIS_REPLICA_OF')).toBeUndefined();
    expect(of('redis-2', 'environment.REDIS_REPLICA_OF')).toBe(`${first} 6379`);
    for (const name of sentinels) expect(of(name, 'environment.REDIS_MASTER')).toBe(`${first} 6379`);
  });

  it('reads lists from the standby and everything else from the primary', () => {
    const [primary, standby] = [environment.DATABASE_URL, environment.DATABASE_READ_URL].map(
      (url) => new URL(filled(String(url))).hostname,
    );
    expect(of(String(standby), 'environment.PRIMARY_HOST')).toBe(primary);
    expect(of(String(standby), 'environment.REPLICATION_PASSWORD')).toBe(
      of(String(primary), 'environment.REPLICATION_PASSWORD'),
    );
    expect(of(String(standby), 'image')).toBe(of(String(primary), 'image'));
  });

  it('gives the stores no way out', () => {
    expect(at(compose, 'networks.back.internal')).toBe(true);
    for (const name of Object.keys(services).filter((each) => !/^(app-\d|caddy)$/.test(each)))
      expect(networksOf(of(name))).toEqual(['back']);
  });
});

/** A value as compose hands it on, with the operator's `.env`. */
function filled(value: unknown): string {
  return String(value).replace(VARIABLE, (_whole, name: string) => ENV[name] ?? '');
}

function headOf(file: string): string {
  const text = readFileSync(file, 'utf8');
  return text.slice(0, text.indexOf('\nname:'));
}

function seconds(duration: unknown): number {
  return Number(/^(\d+)s$/.exec(String(duration))?.[1]);
}

function networksOf(service: unknown): string[] {
  const networks = at(service, 'networks') ?? [];
  return Array.isArray(networks) ? networks.map(String) : Object.keys(networks);
}

/** An address of the network that is not among those given out. */
function expectFixed(compose: unknown, network: string, address: string): void {
  const { subnet, ip_range: range } = at(compose, `networks.${network}.ipam.config.0`) as Record<string, string>;
  expect(inside(String(subnet), address)).toBe(true);
  expect(inside(String(range), address)).toBe(false);
}

function inside(cidr: string, address: string): boolean {
  const [network = '', bits] = cidr.split('/');
  const list = new BlockList();
  list.addSubnet(network, Number(bits), 'ipv4');
  return list.check(address);
}

/** What the Caddyfile speaks to where nothing else is said. */
function defaultUpstreams(): string | undefined {
  return /\{\$UPSTREAMS:([^}]+)\}/.exec(readFileSync(join(DEPLOY, 'Caddyfile'), 'utf8'))?.[1];
}
