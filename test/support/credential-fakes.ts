import { hintOf } from '../../src/identity/clients/api-key.js';
import type { CredentialRecord } from '../../src/identity/clients/cached-credential.js';
import type { ClientsRepository } from '../../src/identity/clients/clients.repository.js';
import { type ClientCredential, CredentialService } from '../../src/identity/clients/credential.service.js';
import { CredentialCache } from '../../src/identity/clients/credential-cache.js';
import { CredentialReader } from '../../src/identity/clients/credential-reader.js';
import { CredentialSeal } from '../../src/identity/clients/credential-seal.js';
import { Revocations } from '../../src/identity/clients/revocations.js';
import { SecretMatcher } from '../../src/identity/clients/secret-matcher.js';
import type { SecretUses } from '../../src/identity/clients/secret-uses.js';
import type { SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import type { CredentialFence } from '../../src/kernel/auth-state.js';
import { Clock } from '../../src/kernel/clock.js';
import { Secret } from '../../src/kernel/secret.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { type RedisService, RedisUnavailableError } from '../../src/platform/redis/redis.service.js';
import type { RedisScript } from '../../src/platform/redis/redis-script.js';
import type { ChangeReceipts } from '../../src/platform/replicas/change-receipts.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import type { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { FREE_ATTEMPT, UNRESTRICTED } from './attempts.js';
import { buildSettings } from './build-settings.js';

/** One Redis as the credential cache sees it, shared by any number of replicas; it answers the cache's three scripts. */
export class FakeRedis {
  configured = true;
  /** The breaker: closed. */
  usable = true;
  /** Calls go out though the breaker is closed, and none is answered. */
  silent = false;
  readonly values = new Map<string, string>();
  readonly scripts: RedisScript[] = [];
  readonly calls: { name: string; keys: readonly string[]; args: readonly (string | number)[] }[] = [];

  static none(): FakeRedis {
    return Object.assign(new FakeRedis(), { configured: false, usable: false });
  }

  /** How often a script was run. */
  count(name: string): number {
    return this.calls.filter((call) => call.name === name).length;
  }

  defineScript(script: RedisScript): RedisScript {
    this.scripts.push(script);
    return script;
  }

  async get(key: string): Promise<string | null> {
    this.#call('get', [key], []);
    return this.values.get(key) ?? null;
  }

  async run({ name }: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    this.#call(name, keys, args);
    const [entry = '', fence = ''] = keys;
    const lowest = Number(this.values.get(fence) ?? 0);
    if (name === 'principalVersion') {
      const version = Number(args[0]);
      if (Number.parseInt(this.values.get(entry) ?? '0', 10) > version) return 0;
      this.values.set(entry, `${version}|`);
    } else if (name === 'credentialPut') {
      if (lowest > Number(args[0])) return 0;
      this.values.set(entry, String(args[1]));
    } else {
      this.values.set(fence, String(Math.max(lowest, Number(args[0]))));
      this.values.delete(entry);
    }
    return 1;
  }

  async runFenced({ name }: RedisScript, { key, stamp }: CredentialFence): Promise<{ held: boolean }> {
    this.#call(`${name} behind a fence`, [key], [stamp]);
    return { held: this.values.get(key)?.startsWith(stamp) ?? false };
  }

  #call(name: string, keys: readonly string[], args: readonly (string | number)[]): void {
    if (!this.usable) throw new RedisUnavailableError();
    this.calls.push({ name, keys, args });
    if (this.silent) throw new RedisUnavailableError();
  }
}

/** The table of clients, as far as authentication reads it. */
export class FakeClients {
  away = false;
  reads = 0;
  readonly records = new Map<string, CredentialRecord>();
  /** Awaited by every read after it has read; replace it to hold reads up. */
  afterRead: () => Promise<void> = async () => undefined;

  async findForAuthentication(clientId: string): Promise<CredentialRecord | null> {
    this.reads += 1;
    if (this.away) throw new Error('connection refused');
    const record = this.records.get(clientId) ?? null;
    await this.afterRead();
    return record;
  }

  async removeFences(): Promise<void> {
    if (this.away) throw new Error('connection refused');
  }

  /** Changes a client, as an administrator or SQL would: under a new version. */
  change(clientId: string, changes: Partial<CredentialRecord>): string {
    const record = this.records.get(clientId) as CredentialRecord;
    const version = String(Number(record.version) + 1);
    this.records.set(clientId, { ...record, ...changes, version });
    return version;
  }
}

/** The one replica there is. */
export class FakeRegistry {
  hasLease = true;
  silentMs = 0;
  live = 1;
  staleSeconds = 960;
}

/** What stands for bcrypt: the hash of a text is `hash of` it. `spent` counts every comparison, dummies included. */
export class FakeBcrypt {
  spent = 0;

  async matches(secret: Secret, hash: string): Promise<boolean> {
    this.spent += 1;
    return hash === `hash of ${secret.reveal()}`;
  }

  async spendAsIfMatching(): Promise<boolean> {
    this.spent += 1;
    return false;
  }
}

export const CLIENT_ID = 'cn_live_0123456789AB';
export const OTHER_ID = 'cn_live_BA9876543210';

/** A client with one secret, `right`. */
export function buildRecord(overrides: Partial<CredentialRecord> = {}): CredentialRecord {
  return {
    clientId: CLIENT_ID,
    version: '7',
    status: 'active',
    tier: 'paid',
    scopes: ['llm:invoke'],
    expiresAt: null,
    owner: null,
    tokens: { epoch: '0.0', revoked: [] },
    ...UNRESTRICTED,
    usedFrom: [],
    secrets: [buildSecret('right', null, overrides.clientId)],
    ...overrides,
  };
}

export function buildSecret(
  text: string,
  expiresAt: number | null = null,
  clientId = CLIENT_ID,
): CredentialRecord['secrets'][number] {
  const hint = hintOf(clientId, new Secret(text));
  return { id: `id of ${text}`, hashedSecret: `hash of ${text}`, hint, expiresAt };
}

/** What a caller presents. */
export function presenting(text: string, clientId = CLIENT_ID): ClientCredential {
  return { clientId, secret: new Secret(text) };
}

/** One process's credential check on fakes; several share what they are given. */
export function buildCredentialCheck({
  redis = new FakeRedis(),
  clients = new FakeClients(),
  overrides = {},
}: {
  redis?: FakeRedis;
  clients?: FakeClients;
  overrides?: Partial<Record<keyof Settings, string>>;
} = {}) {
  const settings = buildSettings(overrides);
  const clock = new DatabaseClock(new Clock());
  const registry = new FakeRegistry();
  const uses: string[] = [];
  const bcrypt = new FakeBcrypt();
  const seal = new CredentialSeal(settings);
  const redisService = redis as unknown as RedisService;
  const cache = new CredentialCache(settings, clock, redisService, seal);
  const repository = clients as unknown as ClientsRepository;
  const reader = new CredentialReader(
    settings,
    clock,
    repository,
    { note: (secretId: string) => uses.push(secretId) } as unknown as SecretUses,
    registry as unknown as ReplicaRegistry,
  );
  const matcher = new SecretMatcher(bcrypt as unknown as SecretHasher);
  const service = new CredentialService(clock, redisService, cache, seal, matcher, reader);
  const receipts = { of: async () => ({ everywhere: true }) } as unknown as ChangeReceipts;
  const revocations = new Revocations(
    redisService,
    cache,
    repository,
    receipts,
    registry as unknown as ReplicaRegistry,
  );
  return { service, cache, reader, redis, clients, bcrypt, seal, registry, uses, revocations };
}

export type CredentialCheck = ReturnType<typeof buildCredentialCheck>;

/** A check on whose PostgreSQL there is one client with the secret `right`, and nothing cached. */
export function coldCheck(options: Parameters<typeof buildCredentialCheck>[0] = {}): CredentialCheck {
  const check = buildCredentialCheck(options);
  check.clients.records.set(CLIENT_ID, buildRecord());
  return check;
}

/** The same, once the secret was presented. */
export async function warmCheck(options: Parameters<typeof buildCredentialCheck>[0] = {}): Promise<CredentialCheck> {
  const check = coldCheck(options);
  await check.service.verify(presenting('right'), FREE_ATTEMPT);
  return check;
}

/** What a step costs: reads of PostgreSQL, bcrypt comparisons, calls to Redis. */
export async function cost({ clients, bcrypt, redis }: CredentialCheck, step: () => unknown) {
  const before = [clients.reads, bcrypt.spent, redis.calls.length] as const;
  await step();
  return {
    reads: clients.reads - before[0],
    hashes: bcrypt.spent - before[1],
    calls: redis.calls.length - before[2],
  };
}
