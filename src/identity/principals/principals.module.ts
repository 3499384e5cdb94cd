import { Module, type OnModuleInit } from '@nestjs/common';
import { HealthModule } from '../../platform/health/health.module.js';
import { MetricsService } from '../../platform/health/metrics.service.js';
import { RedisModule } from '../../platform/redis/redis.module.js';
import { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { ReplicasModule } from '../../platform/replicas/replicas.module.js';
import { PrincipalChanges } from './principal-changes.service.js';
import { PrincipalMemory } from './principal-memory.js';
import { PrincipalsRepository } from './principals.repository.js';
import { PrincipalsService } from './principals.service.js';

/**
 * What replicas remember of users, and how a change of it reaches them. Changes of the last day are heard before this
 * process serves: a Redis that falls back to an older copy of itself cannot bring back what was ended while it was down.
 */
@Module({
  imports: [RedisModule, ReplicasModule, HealthModule],
  providers: [PrincipalsRepository, PrincipalMemory, PrincipalsService, PrincipalChanges],
  exports: [PrincipalsService, PrincipalChanges],
})
export class PrincipalsModule implements OnModuleInit {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly principals: PrincipalsService,
    private readonly metrics: MetricsService,
  ) {}

  onModuleInit(): void {
    const { stats } = this.principals;
    this.feed.on('user', ({ subject, version }) => this.principals.endLocally(subject, version ?? '0'), {
      replay: true,
    });
    this.feed.onResync(() => this.principals.forgetAll());
    this.metrics.counter('principal_lookups_total', 'Users by where they were found.', () => ({ ...stats }), 'from');
  }
}
