import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../../platform/database/transactions.js';
import { CustomPermissionEntity } from './custom-permission.entity.js';

export type CustomPermission = Readonly<CustomPermissionEntity>;

/** Permissions that administrators made. Triggers announce their changes. Rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class PermissionsRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** All of them, by name. There are no more than `MAX_CUSTOM`. */
  all(transaction: Transaction = this.source.manager): Promise<CustomPermission[]> {
    return transaction.find(CustomPermissionEntity, { order: { name: 'ASC' } });
  }

  find(name: string, transaction: Transaction = this.source.manager): Promise<CustomPermission | null> {
    return transaction.findOneBy(CustomPermissionEntity, { name });
  }

  async insert(name: string, description: string, transaction: Transaction): Promise<void> {
    await transaction.insert(CustomPermissionEntity, { name, description });
  }

  async describe(name: string, description: string, transaction: Transaction): Promise<void> {
    await transaction.update(CustomPermissionEntity, { name }, { description, updatedAt: () => 'now()' });
  }

  async remove(name: string, transaction: Transaction): Promise<void> {
    await transaction.delete(CustomPermissionEntity, { name });
  }
}
