import { DataSource } from 'typeorm';
import { readCredentialHeaders } from '../../src/identity/auth/credential-headers.js';
import { ClientCredentialsStrategy } from '../../src/identity/auth/strategies/client-credentials.strategy.js';
import { ClientEntity } from '../../src/identity/clients/client.entity.js';
import { ClientSecretEntity } from '../../src/identity/clients/client-secret.entity.js';
import { ClientsRepository } from '../../src/identity/clients/clients.repository.js';
import { CredentialService } from '../../src/identity/clients/credential.service.js';
import { CredentialCache } from '../../src/identity/clients/credential-cache.js';
import { CredentialFenceEntity } from '../../src/identity/clients/credential-fence.entity.js';
import { CredentialReader } from '../../src/identity/clients/credential-reader.js';
import { CredentialSeal } from '../../src/identity/clients/credential-seal.js';
import { Revocations } from '../../src/identity/clients/revocations.js';
import { SecretMatcher } from '../../src/identity/clients/secret-matcher.js';
import type { SecretUses } from '../../src/identity/clients/secret-uses.js';
import { SecretHasher } from '../../src/identity/hashing/secret-hasher.service.js';
import { UserEntity } from '../../src/identity/users/user.entity.js';
import type { RequestIdentity } from '../../src/kernel/auth-state.js';
import { Clock } from '../../src/kernel/clock.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import type { ChangeReceipts } from '../../src/platform/replicas/change-receipts.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import type { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { FREE_ATTEMPT } from './attempts.js';
import { buildSettings } from './build-settings.js';
import { FakeRegistry } from './credential-fakes.js';

/** What one replica checks credentials with, wired by hand: no HTTP, so that a test can stop between two steps. */
export interface CredentialReplica {
  readonly credentials: CredentialService;
  readonly redis: RedisService;
  readonly repository: ClientsRepository;
  readonly cache: CredentialCache;
  readonly revocations: Revocations;
  /** What it believes of itself among the replicas: it neither beats nor listens. */
  readonly registry: FakeRegistry;
  /** Reads of clients for authentication since it started. */
  readonly reads: { count: number };
  /** Authenticates as a request does, the confirmation of the last guard included. */
  authenticate(apiKey: string): Promise<RequestIdentity>;
  stop(): Promise<void>;
}

/** Starts a replica on the given PostgreSQL and Redis (by settings). */
export async function startCredentialReplica(
  overrides: Partial<Record<keyof Settings, string>>,
  clock: Clock = new Clock(),
  afterRead: () => Promise<void> = async () => undefined,
): Promise<CredentialReplica> {
  const settings = buildSettings(overrides);
  const source = new DataSource({
    ...servingOptions(settings.DATABASE_URL, settings.DATABASE_POOL_SIZE),
    entities: [UserEntity, ClientEntity, ClientSecretEntity, CredentialFenceEntity],
  });
  await source.initialize();
  const redis = new RedisService(settings, clock);
  const databaseClock = new DatabaseClock(clock);
  const registry = new FakeRegistry();
  const receipts = { of: async () => ({ everywhere: true }) } as unknown as ChangeReceipts;
  const asRegistry = registry as unknown as ReplicaRegistry;
  const seal = new CredentialSeal(settings);
  const cache = new CredentialCache(settings, databaseClock, redis, seal);
  const hasher = new SecretHasher(settings);
  const repository = new ClientsRepository(source);
  const reads = { count: 0 };
  const find = repository.findForAuthentication.bind(repository);
  repository.findForAuthentication = async (clientId, now) => {
    reads.count += 1;
    const found = await find(clientId, now);
    await afterRead();
    return found;
  };
  const uses = { note: () => undefined } as unknown as SecretUses;
  const reader = new CredentialReader(settings, databaseClock, repository, uses, asRegistry);
  const credentials = new CredentialService(databaseClock, redis, cache, seal, new SecretMatcher(hasher), reader);
  const strategy = new ClientCredentialsStrategy(credentials);
  await redis.onModuleInit();
  return {
    credentials,
    redis,
    repository,
    cache,
    revocations: new Revocations(redis, cache, repository, receipts, asRegistry),
    registry,
    reads,
    authenticate: async (apiKey) => {
      const claim = strategy.recognise(
        readCredentialHeaders({ rawHeaders: ['X-API-Key', apiKey], method: 'GET', headers: {} }, () => null),
      );
      if (claim === null) throw new Error('The header was not recognised.');
      return (await claim.authenticate(FREE_ATTEMPT)).confirm();
    },
    stop: async () => {
      await Promise.all([source.destroy(), redis.onApplicationShutdown(), hasher.onApplicationShutdown()]);
    },
  };
}
