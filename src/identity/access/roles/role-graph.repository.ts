import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../../platform/database/transactions.js';
import { RoleGraph, type RoleNode } from './role-graph.js';

interface Snapshot {
  readonly roles: readonly RoleNode[];
  readonly custom: readonly string[];
}

/** One statement, and so one moment. */
const SNAPSHOT = `
  SELECT
    (SELECT coalesce(json_agg(json_build_object(
       'id', role.id, 'name', role.name, 'builtin', role.builtin,
       'permissions', ARRAY(SELECT permission FROM role_permissions WHERE role_id = role.id ORDER BY permission),
       'parents', ARRAY(SELECT parent_id FROM role_parents WHERE role_id = role.id ORDER BY parent_id)) ORDER BY role.id), '[]')
     FROM roles AS role) AS roles,
    ARRAY(SELECT name FROM custom_permissions ORDER BY name) AS custom`;

/** Reads all roles at once. */
@Injectable()
export class RoleGraphRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** As they are now, or as `transaction` sees them. Rejects with the driver's error. */
  async read(transaction: Transaction = this.source.manager): Promise<RoleGraph> {
    const [row] = await transaction.query<Snapshot[]>(SNAPSHOT);
    return new RoleGraph(row?.roles ?? [], row?.custom ?? []);
  }
}
