import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { ChangeFeed } from '../../../platform/replicas/change-feed.service.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { IpRuleMatcher, type MatchedRule } from './ip-rule-matcher.js';
import { IpRulesRepository } from './ip-rules.repository.js';

const PRUNE_MS = 60_000;
const EVERY_RULE = '*';
/** The version under which a rule is announced that is gone. */
const GONE = '0';

/**
 * The rules as this replica acts on them: in memory, brought up to date by the change feed, and ending to the second
 * by PostgreSQL's clock. While PostgreSQL is away they stay as they are, and still end.
 */
@Injectable()
export class ActiveIpRules implements OnModuleInit {
  readonly #matcher = new IpRuleMatcher();
  readonly #changed = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly repository: IpRulesRepository,
    private readonly feed: ChangeFeed,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.feed.on('ip_rules', ({ subject, version }) => this.#apply(subject, version));
    this.feed.onResync(() => this.reload());
    this.periodic.every('forget-expired-ip-rules', PRUNE_MS, async () => this.#prune());
    this.periodic.every('remove-expired-ip-rules', PRUNE_MS, () => this.repository.removeExpired(), { once: true });
  }

  /** Rules in force here, by action. */
  count(): Record<MatchedRule['action'], number> {
    const now = this.clock.now();
    const count = { allow: 0, block: 0 };
    for (const { action, expiresAt } of this.#matcher.rules()) {
      if (expiresAt === null || expiresAt > now) count[action] += 1;
    }
    return count;
  }

  /** Whether an address is kept out now. Costs next to nothing while there are no rules. */
  blocks(address: string): boolean {
    if (this.#matcher.size === 0) return false;
    return this.#matcher.deciding(address, this.clock.now())?.action === 'block';
  }

  /** Whether some rule in force lets the address in, even if another one decides on it. */
  allows(address: string): boolean {
    return this.inForce(address).some(({ action }) => action === 'allow');
  }

  /** The rules in force whose range the address lies in, the one that decides first. */
  inForce(address: string): MatchedRule[] {
    const now = this.clock.now();
    return this.#matcher.covering(address).filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
  }

  /** Reads all of them anew. Rejects when PostgreSQL is away; they then stay as they were. */
  reload(): Promise<void> {
    return this.#inOrder(async () => this.#matcher.replaceAll(await this.repository.findInForce()));
  }

  async #apply(id: string, version: string | null): Promise<void> {
    if (id === EVERY_RULE) return this.reload();
    if (version === GONE) return this.#inOrder(async () => this.#matcher.remove(id));
    this.#changed.add(id);
    return this.#inOrder(() => this.#applyChanged());
  }

  /** One statement for all that changed meanwhile; where it fails, each of them is still to be done. */
  async #applyChanged(): Promise<void> {
    const ids = [...this.#changed];
    if (ids.length === 0) return;
    this.#changed.clear();
    try {
      const rules = new Map((await this.repository.findDeciding(ids)).map((rule) => [rule.id, rule]));
      for (const id of ids) {
        const rule = rules.get(id);
        if (rule === undefined) this.#matcher.remove(id);
        else this.#matcher.set(rule);
      }
    } catch (error) {
      for (const id of ids) this.#changed.add(id);
      throw error;
    }
  }

  /** One reading after the other, so that an older one never overwrites a newer one. */
  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #prune(): void {
    const now = this.clock.now();
    for (const { id, expiresAt } of this.#matcher.rules()) {
      if (expiresAt !== null && expiresAt <= now) this.#matcher.remove(id);
    }
  }
}
