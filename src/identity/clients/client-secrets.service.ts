import { Injectable } from '@nestjs/common';
import { InvalidRequestError, NotFoundError, TooManySecretsError } from '../../kernel/app-error.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Mint } from '../../platform/idempotency/idempotency.service.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { SecretHasher } from '../hashing/secret-hasher.service.js';
import { generateCredential, generateSecretId, isClientId, type NewCredential } from './api-key.js';
import type { Client } from './client-rows.repository.js';
import { ClientSecretsRepository, type RotatedSecrets } from './client-secrets.repository.js';
import { assertHoldsAll, assertMayActFor, assertMayOutlast, assertMayRevoke, type Grantor } from './grantor.js';
import { Revocations } from './revocations.js';

export interface NewSecret {
  /** 0: the secrets before it end at once. */
  readonly expirePreviousInSeconds: number;
  readonly expiresAt: Date | null;
  /** The secrets before it end as soon as they have not been used for a day, if that is earlier. */
  readonly finishWhenIdle: boolean;
}

/** A secret just made, in clear: to be shown once, and forgotten. */
export interface RotatedClient extends RotatedSecrets {
  readonly id: string;
  readonly credential: NewCredential;
  readonly expiresAt: Date | null;
}

/** Secrets of one client that work at the same time. */
const MAX_SECRETS = 5;

/**
 * The secrets of a client: rotation with an overlap, and revocation of one. PostgreSQL holds them; without it every call
 * rejects with the driver's error.
 */
@Injectable()
export class ClientSecretsService {
  constructor(
    private readonly repository: ClientSecretsRepository,
    private readonly hasher: SecretHasher,
    private readonly revocations: Revocations,
    private readonly clock: DatabaseClock,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Makes a secret beside those there are. They end after the overlap, to the millisecond of PostgreSQL's clock; one
   * that ends before keeps its end. The caller sees the change through with `follow`, once it is committed.
   *
   * @throws NotFoundError; InvalidRequestError for an end that is past; TooManySecretsError for a sixth that works;
   *   PermissionDeniedError when the client has a scope that the grantor does not hold, or not outright where it is not
   *   its own, or is another user's for whom it may not act; ServiceUnavailableError when too many hashes wait.
   */
  async rotate(
    grantor: Grantor,
    clientId: string,
    input: NewSecret,
    mint: Mint<RotatedClient> = (work) => this.transactions.run(work),
  ): Promise<RotatedClient> {
    if (!isClientId(clientId)) throw noSuchClient();
    const { expirePreviousInSeconds, expiresAt, finishWhenIdle } = input;
    if (expiresAt !== null && expiresAt.getTime() <= this.clock.now())
      throw new InvalidRequestError([{ location: 'body.expires_at', message: 'must be in the future' }]);
    const credential = generateCredential(clientId);
    const hashedSecret = await this.hasher.hash(credential.secret);
    const secret = { id: generateSecretId(), hashedSecret, hint: credential.hint, expiresAt };
    return mint(async (transaction) => {
      const now = this.clock.now();
      const previousEnd = now + expirePreviousInSeconds * 1000;
      const rotation = { secret, now: new Date(now), previousEnd: new Date(previousEnd), finishWhenIdle };
      const decide = (current: Client) => {
        assertHoldsAll(grantor, current, 'make a secret for a client with');
        assertMayActFor(grantor, current.ownerId, 'Making a secret for a client of another user');
        assertMayOutlast(grantor, current.scopes, current.ownerId, 'make a secret for a client with');
        if (previousEnd > now) assertRoomForOneMore(current, now);
      };
      const rotated = await this.repository.rotate(transaction, clientId, rotation, decide, grantor.ownerId);
      if (rotated === null) throw noSuchClient();
      await this.audit.record(
        {
          action: 'secret.create',
          origin: grantor.origin,
          subject: { type: 'secret', id: secret.id },
          details: {
            client_id: clientId,
            hint: secret.hint,
            expires_at: expiresAt?.toISOString() ?? null,
            previous_ends_at: rotation.previousEnd.toISOString(),
          },
        },
        transaction,
      );
      return { ...rotated, id: secret.id, credential, expiresAt };
    });
  }

  /** Sees a committed rotation through to every replica (see `Revocations.follow`). */
  follow(clientId: string, change: Pick<RotatedSecrets, 'version' | 'changeId'>): Promise<Propagation> {
    return this.revocations.follow({ clientId, ...change });
  }

  /**
   * Deletes a secret, the last one too, and sees that through to every replica (see `Revocations.follow`).
   *
   * @throws NotFoundError when the client has no such secret; PermissionDeniedError when the client has a scope that the
   *   grantor does not hold, and is not its own.
   */
  async revoke(grantor: Grantor, clientId: string, secretId: string): Promise<Propagation> {
    if (!isClientId(clientId)) throw noSuchSecret();
    const removed = await this.transactions.run(async (transaction) => {
      const decide = (current: Client) => assertMayRevoke(grantor, current, 'revoke a secret of a client with');
      const ended = await this.repository.remove(transaction, clientId, secretId, decide, grantor.ownerId);
      if (ended === null) throw noSuchSecret();
      await this.audit.record(
        {
          action: 'secret.revoke',
          origin: grantor.origin,
          subject: { type: 'secret', id: secretId },
          details: { client_id: clientId, hint: ended.secret.hint },
        },
        transaction,
      );
      return ended;
    });
    return this.revocations.follow(removed);
  }
}

function assertRoomForOneMore({ secrets }: Client, now: number): void {
  const working = secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt.getTime() > now).length;
  if (working < MAX_SECRETS) return;
  throw new TooManySecretsError(
    `The client has ${MAX_SECRETS} secrets that work already. Revoke one, wait until one ends, or end them all with "expire_previous_in_seconds": 0.`,
  );
}

function noSuchClient(): NotFoundError {
  return new NotFoundError('There is no client with this id.');
}

function noSuchSecret(): NotFoundError {
  return new NotFoundError('There is no client with this id, or it has no such secret.');
}
