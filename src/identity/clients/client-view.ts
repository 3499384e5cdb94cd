import { ApiProperty, IntersectionType } from '@nestjs/swagger';
import { PendingChangeView } from '../../platform/http/pending-change.js';
import type { NewCredential } from './api-key.js';
import { ENVIRONMENTS } from './api-key.js';
import { CLIENT_STATUSES } from './client.entity.js';
import type { Client, ClientSecret } from './client-rows.repository.js';

/** What is shown of a secret: nothing that helps to guess it. */
export class ClientSecretView {
  @ApiProperty() id!: string;
  @ApiProperty({ description: 'The last four characters.' }) hint!: string;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) last_used_at!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_used_address!: string | null;
  @ApiProperty({ type: String, nullable: true }) last_used_user_agent!: string | null;
}

/** A client on the wire: an allow-list, so that no hash and no later column gets out by itself. */
export class ClientView {
  @ApiProperty({ example: 'cn_live_0123456789AB' }) client_id!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ENVIRONMENTS }) environment!: string;
  @ApiProperty() tier!: string;
  @ApiProperty({ type: [String] }) scopes!: string[];
  @ApiProperty({ enum: CLIENT_STATUSES }) status!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true }) expires_at!: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'The user it belongs to: of its scopes it holds those that its owner holds at the moment. null: nobody.',
  })
  owner_id!: string | null;
  @ApiProperty({ type: [String], nullable: true, description: 'null: from anywhere.' })
  allowed_addresses!: string[] | null;
  @ApiProperty({ type: [String], nullable: true, description: 'null: all.' }) allowed_models!: string[] | null;
  @ApiProperty({ type: [String], nullable: true, description: 'null: all.' }) allowed_providers!: string[] | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When one of its keys was last reported as leaked, and revoked.',
  })
  leak_reported_at!: string | null;
  @ApiProperty({ format: 'date-time' }) created_at!: string;
  @ApiProperty({ format: 'date-time' }) updated_at!: string;
  @ApiProperty({ type: [ClientSecretView] }) secrets!: ClientSecretView[];
}

/** A client just made, with its secret: the only time that it is shown. */
export class CreatedClientView extends ClientView {
  @ApiProperty({ description: 'Shown once.' }) client_secret!: string;
  @ApiProperty({ description: 'Shown once: the id and the secret as one string.' }) api_key!: string;
}

/** A page of clients. */
export class ClientPageView {
  @ApiProperty({ type: [ClientView] }) data!: ClientView[];
  @ApiProperty() has_more!: boolean;
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** A changed client, while not every replica has confirmed the change. */
export class PendingClientView extends IntersectionType(ClientView, PendingChangeView) {}

/** A client as it may be shown to whoever may read clients. */
export function presentClient(client: Client): ClientView {
  return {
    client_id: client.clientId,
    name: client.name,
    environment: client.environment,
    tier: client.tier,
    scopes: client.scopes,
    status: client.status,
    expires_at: client.expiresAt?.toISOString() ?? null,
    owner_id: client.ownerId,
    allowed_addresses: client.allowedAddresses,
    allowed_models: client.allowedModels,
    allowed_providers: client.allowedProviders,
    leak_reported_at: client.leakReportedAt?.toISOString() ?? null,
    created_at: client.createdAt.toISOString(),
    updated_at: client.updatedAt.toISOString(),
    secrets: client.secrets.map(presentSecret),
  };
}

/** A client with its credential in clear: for the one answer to whoever made it, and nothing else. */
export function presentCreatedClient(client: Client, credential: NewCredential): CreatedClientView {
  const { client_id, ...fields } = presentClient(client);
  return {
    client_id,
    client_secret: credential.clientSecret.reveal(),
    api_key: credential.apiKey.reveal(),
    ...fields,
  };
}

function presentSecret(secret: ClientSecret): ClientSecretView {
  return {
    id: secret.id,
    hint: secret.hint,
    created_at: secret.createdAt.toISOString(),
    expires_at: secret.expiresAt?.toISOString() ?? null,
    last_used_at: secret.lastUsedAt?.toISOString() ?? null,
    last_used_address: secret.lastUsedAddress,
    last_used_user_agent: secret.lastUsedUserAgent,
  };
}
