import { Injectable } from '@nestjs/common';
import {
  InvalidRequestError,
  IpRuleAutomaticError,
  IpRuleExistsError,
  NotFoundError,
  WouldBlockCallerError,
} from '../../../kernel/app-error.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { Receipt } from '../../../platform/replicas/change.js';
import { ChangeFeed } from '../../../platform/replicas/change-feed.service.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { type AuditEvent, type AuditOrigin, AuditService } from '../../../records/audit/audit.service.js';
import { ActiveIpRules } from './active-ip-rules.service.js';
import { readIpRange } from './ip-range.js';
import { IpRuleMatcher, type MatchedRule } from './ip-rule-matcher.js';
import { type IpRule, type IpRuleChanges, type IpRuleSortKey, IpRulesRepository } from './ip-rules.repository.js';

export interface NewIpRule extends Pick<IpRule, 'action' | 'reason' | 'expiresAt'> {
  /** Validated, in any spelling. */
  readonly cidr: string;
}

/** Who changes rules, and whether that may keep out the very address it comes from. */
export interface RuleAuthor {
  readonly origin: AuditOrigin;
  readonly mayBlockItself: boolean;
}

/** A rule as it was written, and how far it got. */
export interface ChangedIpRule {
  readonly rule: IpRule;
  readonly receipt: Receipt;
}

/**
 * Rules about addresses, as operators make them. Every change is audited in its own transaction, and answered when
 * every live replica acts on it, two seconds later at most. Rejects with the driver's error while PostgreSQL is away.
 */
@Injectable()
export class IpRulesService {
  constructor(
    private readonly repository: IpRulesRepository,
    private readonly active: ActiveIpRules,
    private readonly feed: ChangeFeed,
    private readonly clock: DatabaseClock,
    private readonly audit: AuditService,
  ) {}

  list(query: ListQuery<IpRuleSortKey>): Promise<IpRule[]> {
    return this.repository.list(query);
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<IpRule> {
    return found(await this.repository.find(id));
  }

  /** @throws IpRuleExistsError, WouldBlockCallerError, InvalidRequestError for an end that is not in the future. */
  async create(author: RuleAuthor, rule: NewIpRule): Promise<ChangedIpRule> {
    this.#assertFuture(rule.expiresAt);
    const cidr = (readIpRange(rule.cidr) as { cidr: string }).cidr;
    this.#assertNotSelf(author, null, { cidr, action: rule.action, source: 'manual' });
    const createdBy = author.origin.actorId;
    const written = await this.repository.insert({ ...rule, cidr, createdBy }, (row, transaction) =>
      this.audit.record(creationOf(author, row), transaction),
    );
    if (written === null) throw new IpRuleExistsError();
    return { rule: written.rule, receipt: await this.feed.receipt(written.changeId) };
  }

  /** @throws NotFoundError, IpRuleAutomaticError, WouldBlockCallerError, InvalidRequestError as `create`. */
  async update(author: RuleAuthor, id: string, changes: IpRuleChanges): Promise<ChangedIpRule> {
    if (Object.keys(changes).length === 0) {
      throw new InvalidRequestError([{ location: 'body', message: 'must change at least one field' }]);
    }
    this.#assertFuture(changes.expiresAt ?? null);
    let before: IpRule | null = null;
    const written = await this.repository.change(
      id,
      (current) => {
        if (current.source === 'automatic') throw new IpRuleAutomaticError();
        this.#assertNotSelf(author, id, { ...current, ...changes });
        before = current;
        return changes;
      },
      (row, transaction) => this.audit.record(updateOf(author, before ?? row, row), transaction),
    );
    const { rule, changeId } = found(written);
    return { rule, receipt: await this.feed.receipt(changeId) };
  }

  /** Ends a rule. An automatic block that is lifted is forgotten. @throws NotFoundError, WouldBlockCallerError */
  async remove(author: RuleAuthor, id: string): Promise<Receipt> {
    const written = await this.repository.remove(
      id,
      () => this.#assertNotSelf(author, id, null),
      ({ cidr, action, source }, transaction) =>
        this.audit.record(
          {
            action: 'ip_rule.remove',
            origin: author.origin,
            subject: { type: 'ip_rule', id },
            details: { cidr, effect: action, automatic: source === 'automatic' },
          },
          transaction,
        ),
    );
    return this.feed.receipt(found(written).changeId);
  }

  #assertFuture(end: Date | null): void {
    if (end !== null && end.getTime() <= this.clock.now()) {
      throw new InvalidRequestError([{ location: 'body.expires_at', message: 'must be in the future' }]);
    }
  }

  /** Decides on the author's address as every replica would, with `replaced` gone and `candidate` there. */
  #assertNotSelf(
    { origin, mayBlockItself }: RuleAuthor,
    replaced: string | null,
    candidate: Pick<MatchedRule, 'cidr' | 'action' | 'source'> | null,
  ): void {
    if (mayBlockItself || origin.address === null) return;
    const matcher = new IpRuleMatcher();
    for (const rule of this.active.inForce(origin.address)) if (rule.id !== replaced) matcher.set(rule);
    if (candidate !== null) {
      const { cidr, action, source } = candidate;
      matcher.set({ id: '', cidr, action, source, expiresAt: null });
    }
    if (matcher.deciding(origin.address, this.clock.now())?.action === 'block') throw new WouldBlockCallerError();
  }
}

function creationOf({ origin }: RuleAuthor, { id, cidr, ...rule }: IpRule): AuditEvent<'ip_rule.create'> {
  return {
    action: 'ip_rule.create',
    origin,
    subject: { type: 'ip_rule', id },
    details: { cidr, effect: rule.action, reason: rule.reason, expires_at: rule.expiresAt?.toISOString() ?? null },
  };
}

function updateOf({ origin }: RuleAuthor, before: IpRule, { id, cidr, ...rule }: IpRule): AuditEvent<'ip_rule.update'> {
  return {
    action: 'ip_rule.update',
    origin,
    subject: { type: 'ip_rule', id },
    details: {
      cidr,
      effect: rule.action,
      reason: rule.reason,
      expires_at: rule.expiresAt?.toISOString() ?? null,
      previous_effect: before.action,
      previous_reason: before.reason,
      previous_expires_at: before.expiresAt?.toISOString() ?? null,
    },
  };
}

function found<T>(value: T | null): T {
  if (value === null) throw new NotFoundError('There is no such rule.');
  return value;
}
