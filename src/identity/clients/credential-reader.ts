import { Injectable } from '@nestjs/common';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { Settings } from '../../platform/config/settings.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { PatientReader } from '../../platform/replicas/patient-reader.js';
import { ReplicaRegistry } from '../../platform/replicas/replica-registry.service.js';
import type { CachedCredential, CredentialRecord } from './cached-credential.js';
import { ClientsRepository } from './clients.repository.js';
import { SecretUses } from './secret-uses.js';

/** Reads clients for authentication. */
@Injectable()
export class CredentialReader {
  readonly #reader: PatientReader<CredentialRecord | null>;

  constructor(
    settings: Settings,
    clock: DatabaseClock,
    repository: ClientsRepository,
    private readonly uses: SecretUses,
    registry: ReplicaRegistry,
  ) {
    this.#reader = new PatientReader(
      (clientId, now) => repository.findForAuthentication(clientId, now),
      settings.AUTH_CACHE_RECHECK_SECONDS,
      clock,
      registry,
    );
  }

  /** The client as PostgreSQL has it at some moment after this call; null when there is none. See `PatientReader.read`. */
  read(clientId: string, hasFallback: boolean): Promise<CredentialRecord | null | 'unavailable'> {
    return this.#reader.read(clientId, hasFallback);
  }

  /** Notes that a secret was right, without keeping anybody waiting. */
  noteUse(secretId: string, attempt: AuthAttempt): void {
    this.uses.note(secretId, attempt);
  }

  /** Whether every change still reaches this replica's memory: others wait for its receipts. */
  get isInTouch(): boolean {
    return this.#reader.isInTouch;
  }

  /** Whether an entry is to be compared with PostgreSQL again. */
  isDue({ checkedAt }: CachedCredential, now: number): boolean {
    return this.#reader.isDue(checkedAt, now);
  }

  /** Whether an entry may be served while PostgreSQL is away. See `PatientReader.mayServeStale`. */
  mayServeStale({ checkedAt }: CachedCredential, confirmed: boolean): boolean {
    return this.#reader.mayServeStale(checkedAt, confirmed);
  }
}
