import { DataSource } from 'typeorm';
import { Clock } from '../../src/kernel/clock.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { servingOptions } from '../../src/platform/database/data-source.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { ChangeFeed } from '../../src/platform/replicas/change-feed.service.js';
import { ChangeReceipts } from '../../src/platform/replicas/change-receipts.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { ReplicaLine } from '../../src/platform/replicas/replica-line.repository.js';
import { ReplicaRegistry } from '../../src/platform/replicas/replica-registry.service.js';
import { ReplicasRepository } from '../../src/platform/replicas/replicas.repository.js';
import { buildSettings } from './build-settings.js';

/** One replica's feed of changes, wired by hand: it polls when the test says so. */
export interface FeedReplica {
  readonly feed: ChangeFeed;
  readonly receipts: ChangeReceipts;
  readonly registry: ReplicaRegistry;
  readonly clock: DatabaseClock;
  readonly repository: ReplicasRepository;
  stop(): Promise<void>;
}

/** Makes a replica on the given PostgreSQL (by settings); it is listed once it has polled. */
export async function buildFeedReplica(
  overrides: Partial<Record<keyof Settings, string>>,
  local: Clock = new Clock(),
): Promise<FeedReplica> {
  const settings = buildSettings(overrides);
  const source = new DataSource(servingOptions(settings.DATABASE_URL, 2));
  await source.initialize();
  const clock = new DatabaseClock(local);
  const line = new ReplicaLine(settings);
  const registry = new ReplicaRegistry(settings, line, clock);
  const repository = new ReplicasRepository(source);
  const receipts = new ChangeReceipts(repository);
  const byHand = { every: () => undefined } as unknown as PeriodicService;
  const feed = new ChangeFeed(registry, line, receipts, byHand, repository);
  return {
    feed,
    receipts,
    registry,
    clock,
    repository,
    stop: async () => {
      await feed.onApplicationShutdown();
      await source.destroy();
    },
  };
}
