import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '../../platform/database/transactions.js';
import { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { AuditService, SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { ClientSecretsRepository } from './client-secrets.repository.js';
import { Revocations } from './revocations.js';

const DAY_MS = 86_400_000;
const LOOK_EVERY_MS = 60_000;
const CLEAN_EVERY_MS = 3_600_000;
/** How long a secret must not have been used, where a rotation is to finish early. */
const IDLE_MS = DAY_MS;
/** How long a secret that has ended is still listed. */
const LISTED_MS = 30 * DAY_MS;
/** Clients of one look; the rest is for the next. */
const BATCH = 500;

/**
 * What becomes of secrets in time, done by one of all replicas: a rotation that was asked to finish early ends the
 * secrets before it as soon as they were not used for a day, counted from the rotation at the earliest, so that a caller
 * that rested over a weekend is not cut off by the rotation itself; and what ended 30 days ago is deleted. While
 * PostgreSQL is away both wait.
 */
@Injectable()
export class SecretEnds implements OnModuleInit {
  constructor(
    private readonly repository: ClientSecretsRepository,
    private readonly transactions: Transactions,
    private readonly revocations: Revocations,
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('finish-rotations', LOOK_EVERY_MS, () => this.finishRotations(), { once: true });
    this.periodic.every('forget-ended-secrets', CLEAN_EVERY_MS, () => this.removeEnded(), { once: true });
  }

  /** Ends the secrets that were to end when idle, and are. */
  async finishRotations(): Promise<void> {
    const now = this.clock.now();
    const [at, idleSince] = [new Date(now), new Date(now - IDLE_MS)];
    for (const clientId of await this.repository.clientsWithIdleSecrets(at, idleSince, BATCH)) {
      const ended = await this.transactions.run(async (transaction) => {
        const secrets = await this.repository.endIdle(transaction, clientId, at, idleSince);
        for (const { secret } of secrets) {
          const details = { client_id: clientId, hint: secret.hint, expires_at: at.toISOString(), reason: 'idle' };
          const subject = { type: 'secret', id: secret.id } as const;
          await this.audit.record({ action: 'secret.expire', origin: SYSTEM_ORIGIN, subject, details }, transaction);
        }
        return secrets;
      });
      // One change ended them all.
      if (ended[0] !== undefined) await this.revocations.follow(ended[0]);
    }
  }

  /** Deletes the secrets that have ended long ago. */
  async removeEnded(): Promise<void> {
    const before = new Date(this.clock.now() - LISTED_MS);
    for (const clientId of await this.repository.clientsWithEndedSecrets(before, BATCH))
      await this.transactions.run((transaction) => this.repository.removeEnded(transaction, clientId, before));
  }
}
