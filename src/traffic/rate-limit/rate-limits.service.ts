import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ClientsService } from '../../identity/clients/clients.service.js';
import { type FieldError, InvalidRequestError, NotFoundError } from '../../kernel/app-error.js';
import type { ListQuery } from '../../platform/http/list-query.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import type { Receipt } from '../../platform/replicas/change.js';
import { ChangeFeed } from '../../platform/replicas/change-feed.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { ANY_TIER, POLICY_CLASSES, type PolicyClass, SUBJECT_CLASSES } from './limit-policy.js';
import { RateLimitPolicy } from './rate-limit.policy.js';
import { isUserId, type LimitDto, type OverrideDto } from './rate-limits.dto.js';
import {
  type LimitToStore,
  type OverrideRow,
  type OverrideSortKey,
  type PolicyRow,
  RateLimitsRepository,
  type Stored,
  type Subject,
} from './rate-limits.repository.js';

const CLEAN_MS = 3_600_000;
const PER_ADDRESS: readonly string[] = ['login', 'address'];

/** A limit that was set, and whether every replica enforces it. */
export interface SetLimit<Row> {
  readonly row: Row;
  readonly receipt: Receipt;
}

/**
 * Setting and removing limits. Each change is stored and put into the audit log in one transaction, and answered when
 * every live replica enforces it, two seconds later at the latest. Whoever holds `limits:write` may set any limit, its
 * own too: it is an administrator's permission. PostgreSQL being away rejects with the driver's error, and the limits
 * in force stay.
 */
@Injectable()
export class RateLimitsService implements OnModuleInit {
  constructor(
    private readonly repository: RateLimitsRepository,
    private readonly policy: RateLimitPolicy,
    private readonly clients: ClientsService,
    private readonly feed: ChangeFeed,
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('forget-rate-limits', CLEAN_MS, () => this.repository.removeOldOverrides(), { once: true });
  }

  /** Every policy that was set. */
  policies(): Promise<PolicyRow[]> {
    return this.repository.policies();
  }

  /** @throws NotFoundError; InvalidRequestError for what is no class. */
  async getPolicy(rateClass: string, tier: string): Promise<PolicyRow> {
    return found(await this.repository.findPolicy(policyClass(rateClass, POLICY_CLASSES), tier));
  }

  /** @throws InvalidRequestError naming each field that is wrong, the class and the tier included. */
  async setPolicy(origin: AuditOrigin, rateClass: string, tier: string, input: LimitDto): Promise<SetLimit<PolicyRow>> {
    const known = policyClass(rateClass, POLICY_CLASSES);
    this.#assertTier(known, tier);
    const limit = toStore(known, input, origin);
    const subject = { type: 'rate_limit', id: `policy:${known}:${tier}` } as const;
    const stored = await this.repository.setPolicy(known, tier, limit, (transaction, previous) => {
      const details = { class: known, tier, ...detailsOf(limit), ...previousOf(previous) };
      return this.audit.record({ action: 'rate_limit.set', origin, subject, details }, transaction);
    });
    return this.#received(stored);
  }

  /** What is underneath holds again. @throws NotFoundError; InvalidRequestError for what is no class. */
  async removePolicy(origin: AuditOrigin, rateClass: string, tier: string): Promise<Receipt> {
    const known = policyClass(rateClass, POLICY_CLASSES);
    const subject = { type: 'rate_limit', id: `policy:${known}:${tier}` } as const;
    const removed = await this.repository.removePolicy(known, tier, (transaction, previous) => {
      const details = { class: known, tier, ...(previous && detailsOf(previous)) };
      return this.audit.record({ action: 'rate_limit.remove', origin, subject, details }, transaction);
    });
    return (await this.#received(found(removed))).receipt;
  }

  /** The overrides of a page and one more, if there is one. */
  overrides(query: ListQuery<OverrideSortKey>): Promise<OverrideRow[]> {
    return this.repository.listOverrides(query);
  }

  /** @throws NotFoundError; InvalidRequestError for what is no class. */
  async getOverride(subject: Subject, rateClass: string): Promise<OverrideRow> {
    return found(await this.repository.findOverride(subject, policyClass(rateClass, SUBJECT_CLASSES)));
  }

  /**
   * @throws NotFoundError for a client that does not exist; InvalidRequestError naming each field that is wrong.
   */
  async setOverride(
    origin: AuditOrigin,
    subject: Subject,
    rateClass: string,
    input: OverrideDto,
  ): Promise<SetLimit<OverrideRow>> {
    const known = policyClass(rateClass, SUBJECT_CLASSES);
    await this.#assertSubject(subject);
    const expiresAt = input.expires_at == null ? null : new Date(input.expires_at);
    if (expiresAt !== null && expiresAt.getTime() <= this.clock.now())
      throw new InvalidRequestError([{ location: 'body.expires_at', message: 'must be in the future' }]);
    const limit = { ...toStore(known, input, origin), expiresAt };
    const about = { type: 'rate_limit', id: `${subject.type}:${subject.id}:${known}` } as const;
    const stored = await this.repository.setOverride(subject, known, limit, (transaction, previous) => {
      const details = { class: known, ...detailsOf(limit), ...previousOf(previous) };
      return this.audit.record({ action: 'rate_limit.set', origin, subject: about, details }, transaction);
    });
    return this.#received(stored);
  }

  /** The policy underneath holds again. @throws NotFoundError; InvalidRequestError for what is no class. */
  async removeOverride(origin: AuditOrigin, subject: Subject, rateClass: string): Promise<Receipt> {
    const known = policyClass(rateClass, SUBJECT_CLASSES);
    const about = { type: 'rate_limit', id: `${subject.type}:${subject.id}:${known}` } as const;
    const removed = await this.repository.removeOverride(subject, known, (transaction, previous) => {
      const details = { class: known, ...(previous && detailsOf(previous)) };
      return this.audit.record({ action: 'rate_limit.remove', origin, subject: about, details }, transaction);
    });
    return (await this.#received(found(removed))).receipt;
  }

  async #received<Row>({ row, changeId }: Stored<Row>): Promise<SetLimit<Row>> {
    return { row, receipt: await this.feed.receipt(changeId) };
  }

  #assertTier(rateClass: PolicyClass, tier: string): void {
    if (tier === ANY_TIER) return;
    if (PER_ADDRESS.includes(rateClass))
      throw new InvalidRequestError([
        { location: 'path.tier', message: `"${rateClass}" is counted per address and has no tiers` },
      ]);
    const tiers = this.policy.tiers();
    if (!tiers.includes(tier))
      throw new InvalidRequestError([{ location: 'path.tier', message: `must be one of ${tiers.join(', ')}` }]);
  }

  async #assertSubject({ type, id }: Subject): Promise<void> {
    if (type === 'client') await this.clients.get(id);
    else if (!isUserId(id))
      throw new InvalidRequestError([{ location: 'path.user_id', message: 'must be the id of a user' }]);
  }
}

function policyClass<Class extends PolicyClass>(text: string, classes: readonly Class[]): Class {
  const known = classes.find((each) => each === text);
  if (known === undefined)
    throw new InvalidRequestError([{ location: 'path.class', message: `must be one of ${classes.join(', ')}` }]);
  return known;
}

function toStore(rateClass: PolicyClass, input: LimitDto, origin: AuditOrigin): LimitToStore {
  const { windows, concurrent, cost = 1, mode = 'enforce', reason = null } = input;
  const errors = rateClass === 'streams' ? streamProblems(input) : windowProblems(input, cost);
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return {
    windows: (windows ?? []).map(({ quota, window_seconds, mode: own }) => ({
      quota,
      window_seconds,
      ...(own !== undefined && { mode: own }),
    })),
    concurrent: concurrent ?? null,
    cost,
    mode,
    reason,
    updatedBy: origin.actorId,
  };
}

function streamProblems({ windows, concurrent, cost = 1 }: LimitDto): FieldError[] {
  const errors: FieldError[] = [];
  if (concurrent === undefined) errors.push({ location: 'body.concurrent', message: 'is required for streams' });
  if (windows !== undefined && windows.length > 0)
    errors.push({ location: 'body.windows', message: 'streams are limited by concurrent alone' });
  if (cost !== 1) errors.push({ location: 'body.cost', message: 'a stream counts as one' });
  return errors;
}

function windowProblems({ windows, concurrent }: LimitDto, cost: number): FieldError[] {
  if (windows === undefined) return [{ location: 'body.windows', message: 'is required; an empty list for no limit' }];
  const errors: FieldError[] = windows.flatMap(({ quota, window_seconds }, index) => {
    const at = `body.windows.${index}`;
    const twice = windows.findIndex((other) => other.window_seconds === window_seconds) < index;
    return [
      ...(quota < cost ? [{ location: `${at}.quota`, message: 'must not be less than cost' }] : []),
      ...(twice ? [{ location: `${at}.window_seconds`, message: 'must differ from the other windows' }] : []),
    ];
  });
  if (concurrent !== undefined)
    errors.push({ location: 'body.concurrent', message: 'belongs to the class streams alone' });
  return errors;
}

type Described = Pick<LimitToStore, 'windows' | 'concurrent' | 'cost' | 'mode' | 'reason'> & {
  readonly expiresAt?: Date | null;
};

function detailsOf({ windows, concurrent, cost, mode, reason, expiresAt }: Described) {
  const buckets = windows.map(({ quota, window_seconds, mode: own }) =>
    own === 'shadow' ? `${quota}/${window_seconds} in shadow` : `${quota}/${window_seconds}`,
  );
  const limits = concurrent === null ? buckets : [`${concurrent} at once`];
  const end = expiresAt === undefined ? {} : { expires_at: expiresAt?.toISOString() ?? null };
  return { windows: limits, cost, shadow: mode === 'shadow', reason, ...end };
}

function previousOf(previous: Described | null) {
  if (previous === null) return {};
  return Object.fromEntries(Object.entries(detailsOf(previous)).map(([name, value]) => [`previous_${name}`, value]));
}

function found<T>(value: T | null): T {
  if (value === null)
    throw new NotFoundError('There is no such limit. What is in force is at GET /api/v1/rate-limits.');
  return value;
}
