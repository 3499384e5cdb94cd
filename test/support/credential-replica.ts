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
import { SecretHasher } from '../../src/identity/clients/secret-hasher.js';
import { SecretMatcher } from '../../src/identity/clients/secret-matcher.js';
import type { RequestIdentity } from '../../src/kernel/auth-state.js';
import { Clock } from '../../src/kernel/clock.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { buildSettings } from './build-settings.js';

/** What one replica checks credentials with, wired by hand: no HTTP, so that a test can stop between two steps. */
export interface CredentialReplica {
  readonly credentials: CredentialService;
  readonly redis: RedisService;
  readonly repository: ClientsRepository;
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
    entities: [ClientEntity, ClientSecretEntity, CredentialFenceEntity],
  });
  await source.initialize();
  const redis = new RedisService(settings, clock);
  const seal = new CredentialSeal(settings);
  const cache = new CredentialCache(settings, redis, seal);
  const hasher = new SecretHasher(settings);
  const repository = new ClientsRepository(source);
  const reads = { count: 0 };
  const find = repository.findForAuthentication.bind(repository);
  repository.findForAuthentication = async (clientId) => {
    reads.count += 1;
    const found = await find(clientId);
    await afterRead();
    return found;
  };
  const reader = new CredentialReader(settings, clock, repository);
  const credentials = new CredentialService(settings, clock, redis, cache, seal, new SecretMatcher(hasher), reader);
  const strategy = new ClientCredentialsStrategy(credentials);
  await redis.onModuleInit();
  return {
    credentials,
    redis,
    repository,
    reads,
    authenticate: async (apiKey) => {
      const claim = strategy.recognise(readCredentialHeaders(['X-API-Key', apiKey]));
      if (claim === null) throw new Error('The header was not recognised.');
      return (await claim.authenticate()).confirm();
    },
    stop: async () => {
      await Promise.all([source.destroy(), redis.onApplicationShutdown(), hasher.onApplicationShutdown()]);
    },
  };
}
