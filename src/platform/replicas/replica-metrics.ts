import { Injectable } from '@nestjs/common';
import { MetricsService } from '../health/metrics.service.js';
import { ChangeFeed } from './change-feed.service.js';
import { ReplicaRegistry } from './replica-registry.service.js';

/** What `/metrics` shows of the replicas. */
@Injectable()
export class ReplicaMetrics {
  constructor(metrics: MetricsService, registry: ReplicaRegistry, feed: ChangeFeed) {
    metrics.gauge('replicas_live', 'Replicas with a recent beat, as this one last saw them.', () => registry.live);
    metrics.gauge('replica_lease', '1 while the other replicas wait for the receipts of this one.', () =>
      Number(registry.hasLease),
    );
    metrics.counter(
      'changes_heard_total',
      'Changes of clients, limits and rules that this replica heard of, by how.',
      () => ({ notified: feed.stats.notified, polled: feed.stats.polled, failed: feed.stats.failures }),
      'how',
    );
  }
}
