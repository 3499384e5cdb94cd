import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { ListQuery } from '../../platform/http/list-query.js';
import type { SubjectType } from './limit-policy.js';
import { RateLimitOverrideEntity } from './rate-limit-override.entity.js';
import { RateLimitPolicyEntity, type StoredWindow } from './rate-limit-policy.entity.js';

export type PolicyRow = RateLimitPolicyEntity;
export type OverrideRow = RateLimitOverrideEntity;

/** Whose overrides. */
export interface Subject {
  readonly type: SubjectType;
  readonly id: string;
}

/** What a policy and an override have in common. */
export interface LimitToStore {
  readonly windows: readonly StoredWindow[];
  readonly concurrent: number | null;
  readonly cost: number;
  readonly mode: string;
  readonly reason: string | null;
  readonly updatedBy: string | null;
}

/** A change that was made, and under which id every replica hears of it. */
export interface Stored<Row> {
  readonly row: Row;
  readonly changeId: string | null;
}

export type OverrideSortKey = 'updated_at';

/** Called within the transaction of a change, so that it is part of it, with what stood there before. */
export type Beside<Row> = (transaction: EntityManager, previous: Row | null) => Promise<void>;

const TOPIC = 'rate_limits';
const LOCKED = { mode: 'pessimistic_write' } as const;
const PAGE = 5_000;
const FILTERS: Readonly<Record<string, string>> = {
  client_id: `o.subject_type = 'client' AND o.subject_id = :client_id`,
  user_id: `o.subject_type = 'user' AND o.subject_id = :user_id`,
  class: 'o.class = :class',
  mode: 'o.mode = :mode',
  expires_before: 'o.expires_at < :expires_before',
};
const KEPT_AFTER_END = '30 days';

/**
 * Policies and overrides in PostgreSQL. Triggers give each change its revision and announce it. Every call waits for a
 * connection and for each answer no longer than the pool allows (about two and three seconds) and then rejects with the
 * driver's error.
 */
@Injectable()
export class RateLimitsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Every policy, by class and tier. */
  policies(): Promise<PolicyRow[]> {
    return this.source.manager.find(RateLimitPolicyEntity, { order: { rateClass: 'ASC', tier: 'ASC' } });
  }

  findPolicy(rateClass: string, tier: string): Promise<PolicyRow | null> {
    return this.source.manager.findOneBy(RateLimitPolicyEntity, { rateClass, tier });
  }

  /** The overrides of some subjects, one statement for all of them. */
  overridesOf(subjects: readonly Subject[]): Promise<OverrideRow[]> {
    return this.source.manager
      .createQueryBuilder(RateLimitOverrideEntity, 'o')
      .where('(o.subject_type, o.subject_id) IN (SELECT * FROM unnest(:types::text[], :ids::text[]))', {
        types: subjects.map(({ type }) => type),
        ids: subjects.map(({ id }) => id),
      })
      .getMany();
  }

  findOverride({ type, id }: Subject, rateClass: string): Promise<OverrideRow | null> {
    return this.source.manager.findOneBy(RateLimitOverrideEntity, { subjectType: type, subjectId: id, rateClass });
  }

  /** Every override, a page at a time, so that no statement takes long however many there are. */
  async *allOverrides(): AsyncGenerator<OverrideRow[]> {
    let after: readonly [string, string, string] = ['', '', ''];
    for (;;) {
      const page = await this.source.manager
        .createQueryBuilder(RateLimitOverrideEntity, 'o')
        .where('(o.subject_type, o.subject_id, o.class) > (:type, :id, :class)', {
          type: after[0],
          id: after[1],
          class: after[2],
        })
        .orderBy('o.subject_type')
        .addOrderBy('o.subject_id')
        .addOrderBy('o.class')
        .limit(PAGE)
        .getMany();
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      after = [last.subjectType, last.subjectId, last.rateClass];
    }
  }

  /** The overrides of a page and one more, if there is one. */
  listOverrides(query: ListQuery<OverrideSortKey>): Promise<OverrideRow[]> {
    const direction = query.descending ? 'DESC' : 'ASC';
    const select = this.source.manager
      .createQueryBuilder(RateLimitOverrideEntity, 'o')
      .where('true')
      .orderBy('o.updatedAt', direction)
      .addOrderBy('o.revision', direction)
      .limit(query.limit + 1);
    for (const [name, value] of Object.entries(query.filters)) {
      const condition = FILTERS[name];
      if (condition === undefined) throw new Error('A filter of the list has no column.');
      select.andWhere(condition, { [name]: value });
    }
    if (query.after !== null) {
      const [afterValue, afterId] = query.after;
      const beyond = query.descending ? '<' : '>';
      select.andWhere(`(o.updated_at, o.revision) ${beyond} (:afterValue, :afterId)`, { afterValue, afterId });
    }
    return select.getMany();
  }

  /** Sets a policy in place of whatever stood there. */
  setPolicy(
    rateClass: string,
    tier: string,
    limit: LimitToStore,
    beside: Beside<PolicyRow>,
  ): Promise<Stored<PolicyRow>> {
    const key = { rateClass, tier };
    return this.#change(`policy:${rateClass}:${tier}`, beside, async (manager) => {
      const previous = await manager.findOne(RateLimitPolicyEntity, { where: key, lock: LOCKED });
      await manager.upsert(RateLimitPolicyEntity, { ...key, ...limit }, ['rateClass', 'tier']);
      return { previous, row: await manager.findOneByOrFail(RateLimitPolicyEntity, key) };
    });
  }

  /** Removes a policy; null when there is none. */
  removePolicy(rateClass: string, tier: string, beside: Beside<PolicyRow>): Promise<Stored<true> | null> {
    const key = { rateClass, tier };
    return this.#remove(`policy:${rateClass}:${tier}`, beside, async (manager) => {
      const previous = await manager.findOne(RateLimitPolicyEntity, { where: key, lock: LOCKED });
      await manager.delete(RateLimitPolicyEntity, key);
      return previous;
    });
  }

  /** Sets an override in place of whatever stood there. */
  setOverride(
    { type, id }: Subject,
    rateClass: string,
    limit: LimitToStore & { readonly expiresAt: Date | null },
    beside: Beside<OverrideRow>,
  ): Promise<Stored<OverrideRow>> {
    const key = { subjectType: type, subjectId: id, rateClass };
    return this.#change(`${type}:${id}`, beside, async (manager) => {
      const previous = await manager.findOne(RateLimitOverrideEntity, { where: key, lock: LOCKED });
      await manager.upsert(RateLimitOverrideEntity, { ...key, ...limit }, ['subjectType', 'subjectId', 'rateClass']);
      return { previous, row: await manager.findOneByOrFail(RateLimitOverrideEntity, key) };
    });
  }

  /** Removes an override; null when there is none. */
  removeOverride({ type, id }: Subject, rateClass: string, beside: Beside<OverrideRow>): Promise<Stored<true> | null> {
    return this.#remove(`${type}:${id}`, beside, async (manager) => {
      const key = { subjectType: type, subjectId: id, rateClass };
      const previous = await manager.findOne(RateLimitOverrideEntity, { where: key, lock: LOCKED });
      await manager.delete(RateLimitOverrideEntity, key);
      return previous;
    });
  }

  /** Deletes overrides of clients that are gone, and those that ended long ago. */
  async removeOldOverrides(): Promise<void> {
    await this.source.manager.query(`
      DELETE FROM rate_limit_overrides AS o
      WHERE o.expires_at < now() - interval '${KEPT_AFTER_END}'
         OR (o.subject_type = 'client' AND NOT EXISTS (SELECT FROM clients WHERE clients.client_id = o.subject_id))`);
  }

  #change<Row>(
    announced: string,
    beside: Beside<Row>,
    work: (manager: EntityManager) => Promise<{ readonly row: Row; readonly previous: Row | null }>,
  ): Promise<Stored<Row>> {
    return this.source.transaction(async (manager) => {
      const { row, previous } = await work(manager);
      await beside(manager, previous);
      return { row, changeId: await lastChange(manager, announced) };
    });
  }

  #remove<Row>(
    announced: string,
    beside: Beside<Row>,
    work: (manager: EntityManager) => Promise<Row | null>,
  ): Promise<Stored<true> | null> {
    return this.source.transaction(async (manager) => {
      const previous = await work(manager);
      if (previous === null) return null;
      await beside(manager, previous);
      return { row: true, changeId: await lastChange(manager, announced) };
    });
  }
}

/** The change the trigger has just announced: the row's lock keeps others from announcing one meanwhile. */
async function lastChange(manager: EntityManager, subject: string): Promise<string | null> {
  const [row] = await manager.query<{ id: string }[]>(
    'SELECT id FROM changes WHERE subject = $1 AND topic = $2 ORDER BY id DESC LIMIT 1',
    [subject, TOPIC],
  );
  return row?.id ?? null;
}
