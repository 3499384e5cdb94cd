import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { ObjectRef } from '../check/access-context.js';

/** Somebody who holds a permission. */
export interface Holder {
  readonly type: 'user' | 'client';
  readonly id: string;
  readonly name: string;
  /** Whose grants they are: their own, or those of the key's owner; null: a client's that nobody owns. */
  readonly userId: string | null;
  /** Only under conditions: each grant that allows has some, or there is one that denies under conditions. */
  readonly conditional: boolean;
  readonly grants: readonly { readonly id: string; readonly roleId: string; readonly expiresAt: string | null }[];
}

/** What is looked for. */
export interface HolderSearch {
  /** Scopes that hold the permission. */
  readonly scopes: readonly string[];
  /** Ids of roles that hold the permission, and of those that take from it when they are denied. */
  readonly holding: readonly string[];
  readonly taking: readonly string[];
  /** Null: for everything. */
  readonly object: ObjectRef | null;
  readonly type: 'user' | 'client' | null;
  readonly after: string | null;
  readonly descending: boolean;
  readonly limit: number;
}

/** A grant of `person` that has not ended and is about the object, if there is one. */
const IN_FORCE = `entry.user_id = person.id AND (entry.expires_at IS NULL OR entry.expires_at > now())
  AND (entry.scope_type = 'all'
    OR (entry.scope_type = 'client' AND $4 = 'clients' AND entry.scope_id = $5)
    OR (entry.scope_type = 'resource' AND entry.scope_resource = $4 AND entry.scope_id = $5))`;

/** Active users whom a grant allows it, and none denies it unconditionally. */
const PEOPLE = `
  SELECT person.id, person.name,
    NOT EXISTS (SELECT FROM grants AS entry WHERE ${IN_FORCE} AND entry.effect = 'allow' AND entry.role_id = ANY ($2)
                AND entry.conditions IS NULL)
      OR EXISTS (SELECT FROM grants AS entry WHERE ${IN_FORCE} AND entry.effect = 'deny' AND entry.role_id = ANY ($3))
      AS conditional
  FROM users AS person
  WHERE person.status = 'active'
    AND EXISTS (SELECT FROM grants AS entry WHERE ${IN_FORCE} AND entry.effect = 'allow' AND entry.role_id = ANY ($2))
    AND NOT EXISTS (SELECT FROM grants AS entry WHERE ${IN_FORCE} AND entry.effect = 'deny' AND entry.role_id = ANY ($3)
                    AND entry.conditions IS NULL)`;

const GRANTS_SHOWN = 10;

/** Finds who holds a permission. Rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class WhoCanRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** So many by id, and one more, if there is one. */
  list({ scopes, holding, taking, object, type, after, descending, limit }: HolderSearch): Promise<Holder[]> {
    const [beyond, direction] = descending ? ['<', 'DESC'] : ['>', 'ASC'];
    return this.source.query<Holder[]>(
      `WITH people AS (${PEOPLE}),
       holders AS (
         SELECT 'user' AS type, id, name, id AS "userId", conditional FROM people WHERE $6::text IS DISTINCT FROM 'client'
         UNION ALL
         SELECT 'client', client.client_id, client.name, client.owner_id, coalesce(people.conditional, false)
         FROM clients AS client LEFT JOIN people ON people.id = client.owner_id
         WHERE $6::text IS DISTINCT FROM 'user' AND client.status = 'active' AND client.scopes && $1::text[]
           AND (client.expires_at IS NULL OR client.expires_at > now())
           AND (client.owner_id IS NULL OR people.id IS NOT NULL)
       )
       SELECT holders.*, (
         SELECT coalesce(json_agg(shown), '[]') FROM (
           SELECT entry.id, entry.role_id AS "roleId", nullif(entry.expires_at, 'infinity') AS "expiresAt"
           FROM users AS person JOIN grants AS entry ON ${IN_FORCE}
           WHERE person.id = holders."userId" AND entry.effect = 'allow' AND entry.role_id = ANY ($2)
           ORDER BY entry.created_at, entry.id LIMIT ${GRANTS_SHOWN}) AS shown) AS grants
       FROM holders WHERE $7::text IS NULL OR holders.id COLLATE "C" ${beyond} $7
       ORDER BY holders.id COLLATE "C" ${direction} LIMIT $8`,
      [scopes, holding, taking, object?.type ?? null, object?.id ?? null, type, after, limit + 1],
    );
  }
}
