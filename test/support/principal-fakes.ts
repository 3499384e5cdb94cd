import type { PrincipalRecord, PrincipalSession } from '../../src/identity/principals/principal.js';
import { PrincipalChanges } from '../../src/identity/principals/principal-changes.service.js';
import { PrincipalMemory } from '../../src/identity/principals/principal-memory.js';
import type { PrincipalsRepository } from '../../src/identity/principals/principals.repository.js';
import { PrincipalsService } from '../../src/identity/principals/principals.service.js';
import { Clock } from '../../src/kernel/clock.js';
import type { RedisService } from '../../src/platform/redis/redis.service.js';
import type { Receipt } from '../../src/platform/replicas/change.js';
import type { ChangeReceipts } from '../../src/platform/replicas/change-receipts.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import type { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { buildSettings } from './build-settings.js';
import { FakeRedis, FakeRegistry } from './credential-fakes.js';

export const USER_ID = 'usr_0123456789ABCDEFGHIJ';
export const SESSION_ID = 'ses_0123456789ABCDEFGHIJ';
export const T0 = Date.UTC(2026, 0, 1);

/** A live session by tokens. */
export function buildPrincipalSession(overrides: Partial<PrincipalSession> = {}): PrincipalSession {
  return {
    id: SESSION_ID,
    kind: 'token',
    secretHash: null,
    method: 'password',
    amr: ['pwd'],
    mfa: false,
    authenticatedAt: T0,
    lastSeenAt: T0,
    expiresAt: T0 + 86_400_000,
    idleSeconds: 1_800,
    ...overrides,
  };
}

/** An active user with one session. */
export function buildPrincipalRecord(overrides: Partial<PrincipalRecord> = {}): PrincipalRecord {
  return {
    userId: USER_ID,
    version: '7',
    status: 'active',
    tier: 'paid',
    epoch: '0.0',
    grants: [],
    sessions: [buildPrincipalSession()],
    revokedTokens: [],
    ...overrides,
  };
}

/** The tables of people, as far as deciding on a request reads them. */
export class FakePeople {
  away = false;
  reads = 0;
  readonly records = new Map<string, PrincipalRecord>();
  /** Awaited by every read after it has read; replace it to hold reads up. */
  afterRead: () => Promise<void> = async () => undefined;

  async find(userId: string): Promise<PrincipalRecord | null> {
    this.reads += 1;
    if (this.away) throw new Error('connection refused');
    const record = this.records.get(userId) ?? null;
    await this.afterRead();
    return record === null ? null : structuredClone(record);
  }

  /** Changes a user, as an administrator or SQL would: under a new version. */
  change(changes: Partial<PrincipalRecord>, userId = USER_ID): string {
    const record = this.records.get(userId) ?? buildPrincipalRecord({ userId });
    const version = String(Number(record.version) + 1);
    this.records.set(userId, { ...record, ...changes, version });
    return version;
  }
}

/** One process's knowledge of users on fakes; several share what they are given. */
export function buildPrincipals({
  redis = new FakeRedis(),
  people = new FakePeople(),
  receipt = { everywhere: true } as Receipt,
}: {
  redis?: FakeRedis;
  people?: FakePeople;
  receipt?: Receipt | 'lost';
} = {}) {
  const settings = buildSettings();
  const clock = new DatabaseClock(new Clock());
  const registry = new FakeRegistry();
  const redisService = redis as unknown as RedisService;
  const asRegistry = registry as unknown as ReplicaRegistry;
  const repository = people as unknown as PrincipalsRepository;
  const memory = new PrincipalMemory(settings, clock, redisService);
  const principals = new PrincipalsService(settings, clock, redisService, memory, repository, asRegistry);
  const asked: { id: string | null; window: string }[] = [];
  const receipts = {
    of: async (id: string | null, window: string) => {
      asked.push({ id, window });
      if (receipt === 'lost') throw new Error('connection refused');
      return receipt;
    },
  } as unknown as ChangeReceipts;
  const changes = new PrincipalChanges(repository, memory, redisService, receipts, asRegistry);
  return { principals, changes, memory, redis, people, registry, clock, asked };
}

export type FakePrincipals = ReturnType<typeof buildPrincipals>;

/** The same with one user, who is remembered. */
export async function warmPrincipals(options: Parameters<typeof buildPrincipals>[0] = {}): Promise<FakePrincipals> {
  const made = buildPrincipals(options);
  made.people.records.set(USER_ID, made.people.records.get(USER_ID) ?? buildPrincipalRecord());
  await made.principals.resolve(USER_ID);
  return made;
}
