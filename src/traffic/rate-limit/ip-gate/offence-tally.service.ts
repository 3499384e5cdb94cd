import { Injectable, type OnModuleInit } from '@nestjs/common';
import { readAttemptBudget } from '../../../platform/config/attempt-budget.js';
import { Settings } from '../../../platform/config/settings.js';
import { addressKey } from '../../../platform/http/address-key.js';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { RedisService } from '../../../platform/redis/redis.service.js';
import { redisKey } from '../../../platform/redis/redis-key.js';
import { AutomaticBlocks } from './automatic-blocks.service.js';
import { LocalOffences, type Pattern, type Threshold } from './local-offences.js';
import { COUNT_OFFENCES } from './offence.script.js';

/** A credential that was wrong, or that was not even looked at because too many were. */
export interface Guess {
  readonly address: string;
  readonly clientId: string;
}

interface Offender {
  readonly address: string;
  attempts: number;
  readonly ids: Set<string>;
}

/** What the script's answer means. */
const PATTERNS: readonly (Pattern | null)[] = [null, 'attempts', 'client_ids'];
const FLUSH_MS = 1_000;
const BATCH = 100;
const MAX_OFFENDERS = 50_000;
/** Ids of one address in one flush: more than any sensible threshold. */
const MAX_IDS = 100;

/**
 * Counts wrong and refused attempts per address, and has an address blocked that makes too many, or tries too many
 * client ids (`AUTO_BLOCK_FAILURES`, `AUTO_BLOCK_CLIENT_IDS`). A request only adds to a counter in memory; once a second
 * these go to Redis, where those of all replicas meet. While Redis is away each replica counts for itself.
 */
@Injectable()
export class OffenceTally implements OnModuleInit {
  readonly #attempts: Threshold | null;
  readonly #ids: Threshold | null;
  readonly #local: LocalOffences;
  #offenders = new Map<string, Offender>();

  constructor(
    settings: Settings,
    private readonly redis: RedisService,
    private readonly periodic: PeriodicService,
    private readonly blocks: AutomaticBlocks,
  ) {
    redis.defineScript(COUNT_OFFENCES);
    this.#attempts = thresholdOf(settings.AUTO_BLOCK_FAILURES);
    this.#ids = thresholdOf(settings.AUTO_BLOCK_CLIENT_IDS);
    this.#local = new LocalOffences(this.#attempts, this.#ids);
  }

  onModuleInit(): void {
    if (this.#attempts !== null || this.#ids !== null) {
      this.periodic.every('tell-offences', FLUSH_MS, () => this.flush());
    }
  }

  /** Notes one. Costs a look into a map, and forgets it when fifty thousand addresses are at it at once. */
  note({ address, clientId }: Guess): void {
    if (this.#attempts === null && this.#ids === null) return;
    const source = addressKey(address);
    let offender = this.#offenders.get(source);
    if (offender === undefined) {
      if (this.#offenders.size >= MAX_OFFENDERS) return;
      offender = { address, attempts: 0, ids: new Set() };
      this.#offenders.set(source, offender);
    }
    offender.attempts += 1;
    if (offender.ids.size < MAX_IDS) offender.ids.add(clientId);
  }

  /** Hands on what was noted since the last time, and has blocked who did too much. Never rejects. */
  async flush(): Promise<void> {
    const offenders = [...this.#offenders];
    this.#offenders = new Map();
    for (let start = 0; start < offenders.length; start += BATCH) {
      const batch = offenders.slice(start, start + BATCH);
      await Promise.all(batch.map(([source, offender]) => this.#judge(source, offender)));
    }
  }

  async #judge(source: string, offender: Offender): Promise<void> {
    const pattern = await this.#patternOf(source, offender);
    if (pattern !== null) await this.blocks.block(offender.address, pattern);
  }

  async #patternOf(source: string, { attempts, ids }: Offender): Promise<Pattern | null> {
    if (this.redis.usable) {
      try {
        const keys = [redisKey.bucket(source, 'offences'), redisKey.bucket(source, 'offence_ids')];
        const words = [...wordsOf(this.#attempts), ...wordsOf(this.#ids), attempts, ...ids];
        return PATTERNS[Number(await this.redis.run(COUNT_OFFENCES, keys, words))] ?? null;
      } catch {
        // Counted here instead, below.
      }
    }
    return this.#local.add(source, attempts, ids, performance.now());
  }
}

function thresholdOf(text: string): Threshold | null {
  const budget = readAttemptBudget(text);
  return budget === null ? null : { count: budget.attempts, windowMs: budget.seconds * 1000 };
}

function wordsOf(threshold: Threshold | null): readonly number[] {
  return threshold === null ? [0, 0] : [threshold.count, threshold.windowMs];
}
