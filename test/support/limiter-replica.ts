import { Clock } from '../../src/kernel/clock.js';
import { RedisService } from '../../src/platform/redis/redis.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { LeasesService } from '../../src/traffic/rate-limit/leases.service.js';
import { LimiterService } from '../../src/traffic/rate-limit/limiter.service.js';
import { buildSettings } from './build-settings.js';
import { buildRegistry, NO_JOBS } from './rate-limit-fakes.js';

/** A machine's clock that is wrong by so many milliseconds. */
export class WrongClock extends Clock {
  constructor(private readonly ahead: number) {
    super();
  }

  override now(): number {
    return super.now() + this.ahead;
  }
}

/** What decides about limits in one replica, without the rest of it. */
export interface LimiterReplica {
  readonly limiter: LimiterService;
  readonly leases: LeasesService;
  readonly redis: RedisService;
  stop(): Promise<void>;
}

interface Options {
  /** Milliseconds by which its clock is ahead. PostgreSQL's is right, and it knows. */
  readonly ahead?: number;
  /** Replicas that live, as far as it knows. */
  readonly live?: number;
}

/** Starts one on a Redis. */
export async function startLimiterReplica(url: string, { ahead = 0, live = 1 }: Options = {}): Promise<LimiterReplica> {
  const clock = new WrongClock(ahead);
  const databaseClock = new DatabaseClock(clock);
  databaseClock.measured(Date.now(), clock.now(), clock.now());
  const redis = new RedisService(buildSettings({ REDIS_URL: url }), clock);
  const registry = buildRegistry(live);
  const limiter = new LimiterService(redis, clock, databaseClock, registry);
  const leases = new LeasesService(redis, registry, NO_JOBS);
  leases.onModuleInit();
  await redis.onModuleInit();
  return { limiter, leases, redis, stop: () => redis.onApplicationShutdown() };
}
