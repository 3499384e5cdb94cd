import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

/** A client, as far as what it may do goes. */
export interface ExplainedClient {
  readonly status: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly allowedAddresses: readonly string[] | null;
  readonly ownerId: string | null;
}

/** Reads what an explanation is about, from the primary. Rejects with the driver's error when PostgreSQL is away. */
@Injectable()
export class ExplainRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  async findClient(clientId: string): Promise<ExplainedClient | null> {
    const [row] = await this.source.query<ExplainedClient[]>(
      `SELECT status, scopes, nullif(expires_at, 'infinity') AS "expiresAt", allowed_addresses AS "allowedAddresses",
         owner_id AS "ownerId"
       FROM clients WHERE client_id = $1`,
      [clientId],
    );
    return row ?? null;
  }
}
