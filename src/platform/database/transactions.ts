import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';

/** An open transaction: services hand it on, repositories alone use it. */
export type Transaction = EntityManager;

/** Transactions over more than one repository. */
@Injectable()
export class Transactions {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Commits what `work` did, all of it or, when it throws, nothing. Rejects with the driver's error, or `work`'s own. */
  run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.source.transaction(work);
  }
}
