import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { ListQuery } from '../../../platform/http/list-query.js';
import { IpRuleEntity } from './ip-rule.entity.js';
import type { MatchedRule } from './ip-rule-matcher.js';

export type IpRule = Readonly<IpRuleEntity>;
export type IpRuleSortKey = 'created_at';

export type IpRuleToInsert = Pick<IpRule, 'cidr' | 'action' | 'reason' | 'expiresAt' | 'createdBy'>;
export type IpRuleChanges = Partial<Pick<IpRule, 'action' | 'reason' | 'expiresAt'>>;

/** A rule as it was written, and the change that tells the replicas; null where none had to be told. */
export interface WrittenIpRule {
  readonly rule: IpRule;
  readonly changeId: string | null;
}

/** More of the caller's work in the same transaction: when it throws, nothing is written. */
type Within = (rule: IpRule, transaction: EntityManager) => Promise<void>;

const FILTERS: Readonly<Record<string, string>> = {
  action: 'rule.action = :action',
  source: 'rule.source = :source',
  created_by: 'rule.created_by = :created_by',
  address: 'rule.cidr >>= :address::inet',
  expires_before: 'rule.expires_at < :expires_before',
};

/** Rules in PostgreSQL. Every call rejects with the driver's error when it is away. */
@Injectable()
export class IpRulesRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Every rule that has not expired, as far as it decides on addresses. */
  findInForce(): Promise<MatchedRule[]> {
    return this.#matched('expires_at IS NULL OR expires_at > now()', []);
  }

  /** Those of the rules that are there. */
  findDeciding(ids: readonly string[]): Promise<MatchedRule[]> {
    return this.#matched('id = ANY ($1)', [ids]);
  }

  find(id: string): Promise<IpRule | null> {
    return this.source.manager.findOneBy(IpRuleEntity, { id });
  }

  /** The rules of a page and one more, if there is one. */
  list(query: ListQuery<IpRuleSortKey>): Promise<IpRule[]> {
    const direction = query.descending ? 'DESC' : 'ASC';
    const select = this.source.manager
      .createQueryBuilder(IpRuleEntity, 'rule')
      .orderBy('rule.createdAt', direction)
      .addOrderBy('rule.id', direction)
      .limit(query.limit + 1);
    for (const [name, value] of Object.entries(query.filters)) {
      const condition = FILTERS[name];
      if (condition === undefined) throw new Error('A filter of the list has no column.');
      select.andWhere(condition, { [name]: value });
    }
    if (query.after !== null) {
      const [value, id] = query.after;
      select.andWhere(`(rule.created_at, rule.id) ${query.descending ? '<' : '>'} (:afterValue, :afterId)`, {
        afterValue: value,
        afterId: id,
      });
    }
    return select.getMany();
  }

  /** Adds a rule made by hand; null when there is one for that very range. One that has expired makes way. */
  insert(rule: IpRuleToInsert, within: Within): Promise<WrittenIpRule | null> {
    return this.source.transaction(async (manager) => {
      await manager.query(`DELETE FROM ip_rules WHERE cidr = $1 AND source = 'manual' AND expires_at <= now()`, [
        rule.cidr,
      ]);
      const { cidr, action, reason, expiresAt, createdBy } = rule;
      const [inserted] = await manager.query(
        `INSERT INTO ip_rules (id, cidr, action, source, reason, expires_at, created_by)
         VALUES ($1, $2, $3, 'manual', $4, $5, $6) ON CONFLICT (source, cidr) DO NOTHING RETURNING id`,
        [newId(), cidr, action, reason, expiresAt, createdBy],
      );
      if (inserted === undefined) return null;
      return this.#written(manager, inserted.id, within);
    });
  }

  /** Changes a rule; null when there is none. @param decide sees it as it is, under a lock; what it throws ends it. */
  change(id: string, decide: (current: IpRule) => IpRuleChanges, within: Within): Promise<WrittenIpRule | null> {
    return this.source.transaction(async (manager) => {
      const current = await locked(manager, id);
      if (current === null) return null;
      await manager.update(IpRuleEntity, { id }, decide(current));
      return this.#written(manager, id, within);
    });
  }

  /** Takes a rule away; null when there is none. @param check sees it under a lock; what it throws ends it. */
  remove(id: string, check: (current: IpRule) => void, within: Within): Promise<WrittenIpRule | null> {
    return this.source.transaction(async (manager) => {
      const rule = await locked(manager, id);
      if (rule === null) return null;
      check(rule);
      await manager.delete(IpRuleEntity, { id });
      await within(rule, manager);
      return { rule, changeId: await lastChange(manager, id) };
    });
  }

  /** Takes away what expired more than a day ago: until then an address that starts again is blocked for longer. */
  async removeExpired(): Promise<void> {
    await this.source.query(`DELETE FROM ip_rules WHERE expires_at < now() - interval '1 day'`);
  }

  async #written(manager: EntityManager, id: string, within: Within): Promise<WrittenIpRule> {
    const rule = await manager.findOneByOrFail(IpRuleEntity, { id });
    await within(rule, manager);
    return { rule, changeId: await lastChange(manager, id) };
  }

  async #matched(where: string, values: readonly unknown[]): Promise<MatchedRule[]> {
    const rows: (Omit<MatchedRule, 'expiresAt'> & { expires_at: Date | number | null })[] = await this.source.query(
      `SELECT id, cidr::text, action, source, expires_at FROM ip_rules WHERE ${where}`,
      [...values],
    );
    // PostgreSQL's `infinity` and `-infinity` are numbers already.
    return rows.map(({ expires_at, ...rule }) => ({
      ...rule,
      expiresAt: expires_at === null ? null : Number(expires_at),
    }));
  }
}

/** Opaque, and long enough that none is ever made twice: a rule that is gone stays gone under its id. */
export function newId(): string {
  return `ipr_${randomBytes(12).toString('hex')}`;
}

function locked(manager: EntityManager, id: string): Promise<IpRule | null> {
  return manager.findOne(IpRuleEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
}

/** The newest change of a rule, which this transaction made if it made one. */
async function lastChange(manager: EntityManager, id: string): Promise<string | null> {
  const [row] = await manager.query(
    `SELECT max(id)::text AS id FROM changes WHERE topic = 'ip_rules' AND subject = $1`,
    [id],
  );
  return row.id;
}
