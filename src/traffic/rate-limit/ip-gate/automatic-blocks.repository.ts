import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { newId } from './ip-rules.repository.js';

/** A block that begins now. */
export interface BegunBlock {
  readonly id: string;
  readonly expiresAt: Date;
}

/** Automatic blocks kept at most, those that expired within the last day included. */
const MAX_BLOCKS = 10_000;
const LONGEST_MINUTES = 24 * 60;

/** Automatic blocks in PostgreSQL: written in one statement each, so that many at once make one. */
@Injectable()
export class AutomaticBlocksRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /**
   * Blocks a range for a minute; one that was blocked within the last day twice as long as then, a day at most. Null,
   * and nothing is written, when it is blocked already, when a rule allows `address`, or when there are too many blocks.
   * Rejects with the driver's error when PostgreSQL is away.
   */
  block(
    cidr: string,
    address: string,
    reason: string,
    within: (begun: BegunBlock, transaction: EntityManager) => Promise<void>,
  ): Promise<BegunBlock | null> {
    return this.source.transaction(async (manager) => {
      const [row] = await manager.query(
        `INSERT INTO ip_rules AS rule (id, cidr, action, source, reason, strikes, expires_at)
         SELECT $1, $2::cidr, 'block', 'automatic', $4::text, 1, now() + interval '1 minute'
         WHERE NOT EXISTS (
             SELECT FROM ip_rules
             WHERE action = 'allow' AND cidr >>= $3::inet AND (expires_at IS NULL OR expires_at > now()))
           AND (SELECT count(*) FROM ip_rules WHERE source = 'automatic' AND cidr <> $2::cidr) < $5
         ON CONFLICT (source, cidr) DO UPDATE
           SET strikes = rule.strikes + 1, reason = EXCLUDED.reason,
               expires_at = now() + least(power(2, least(rule.strikes, 30)), $6::float8) * interval '1 minute'
           WHERE rule.expires_at <= now()
         RETURNING id, expires_at`,
        [newId(), cidr, address, reason, MAX_BLOCKS, LONGEST_MINUTES],
      );
      if (row === undefined) return null;
      const begun = { id: row.id, expiresAt: row.expires_at };
      await within(begun, manager);
      return begun;
    });
  }
}
