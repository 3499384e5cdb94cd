import { hashSync } from 'bcryptjs';
import { generateClientId, generateCredential, randomDigits } from '../../src/identity/clients/api-key.js';
import type { TestDatabase } from './test-database.js';

export interface InsertedClient {
  readonly clientId: string;
  readonly apiKey: string;
  /** The 30 characters that are hashed. */
  readonly secret: string;
}

interface ClientOverrides {
  readonly clientId?: string;
  readonly name?: string;
  readonly environment?: 'live' | 'test';
  readonly createdAt?: Date;
  readonly tier?: string;
  readonly scopes?: readonly string[];
  readonly status?: 'active' | 'disabled';
  readonly expiresAt?: Date | null;
  /** The user it belongs to. */
  readonly ownerId?: string | null;
  readonly secretExpiresAt?: Date | null;
  readonly allowedAddresses?: readonly string[] | null;
  readonly allowedModels?: readonly string[] | null;
  readonly allowedProviders?: readonly string[] | null;
}

/** A client put straight into PostgreSQL, past the service, with a secret of its own. */
export async function insertClient(database: TestDatabase, overrides: ClientOverrides = {}): Promise<InsertedClient> {
  const clientId = overrides.clientId ?? generateClientId(overrides.environment ?? 'live');
  const credential = generateCredential(clientId);
  const secret = credential.secret.reveal();
  await database.query(
    `INSERT INTO clients (client_id, name, environment, tier, scopes, status, expires_at, created_at,
       allowed_addresses, allowed_models, allowed_providers, owner_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10, $11, $12)`,
    [
      clientId,
      overrides.name ?? 'test',
      overrides.environment ?? 'live',
      overrides.tier ?? 'paid',
      overrides.scopes ?? ['llm:invoke'],
      overrides.status ?? 'active',
      overrides.expiresAt ?? null,
      overrides.createdAt ?? null,
      overrides.allowedAddresses ?? null,
      overrides.allowedModels ?? null,
      overrides.allowedProviders ?? null,
      overrides.ownerId ?? null,
    ],
  );
  await database.query(
    `INSERT INTO client_secrets (id, client_id, hashed_secret, hint, expires_at) VALUES ($1, $2, $3, $4, $5)`,
    [randomDigits(16), clientId, hashSync(secret, 4), credential.hint, overrides.secretExpiresAt ?? null],
  );
  return { clientId, apiKey: credential.apiKey.reveal(), secret };
}

/** A well-formed key of that client with a secret that is not its own. */
export function wrongKeyOf(clientId: string): string {
  return generateCredential(clientId).apiKey.reveal();
}
