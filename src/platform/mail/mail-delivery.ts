import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicService } from '../jobs/periodic.service.js';
import { log } from '../logging/log.js';
import { MailService } from './mail.service.js';
import { MailOutboxRepository, type OutgoingMail } from './mail-outbox.repository.js';
import { MailTransport, SEND_DEADLINE_MS } from './mail-transport.js';

const INTERVAL_MS = 1_000;
const BATCH = 10;
const LEASE_SECONDS = (SEND_DEADLINE_MS / 1_000) * 3;
const LONGEST_WAIT_SECONDS = 900;
const KEPT_SECONDS = 86_400;

/** Seconds until a mail is tried again after so many tries: 2, 4, 8 … 900. */
export function waitAfter(attempts: number): number {
  return Math.min(2 ** Math.min(attempts, 20), LONGEST_WAIT_SECONDS);
}

/** Takes waiting mail to the mail server, on one replica at a time. */
@Injectable()
export class MailDelivery implements OnApplicationBootstrap {
  /** Counted since start. */
  readonly stats = { sent: 0, failed: 0, given_up: 0 };

  constructor(
    private readonly outbox: MailOutboxRepository,
    private readonly mail: MailService,
    private readonly transport: MailTransport,
    private readonly periodic: PeriodicService,
  ) {}

  onApplicationBootstrap(): void {
    this.periodic.every('mail', INTERVAL_MS, () => this.deliverDue(), { once: true });
  }

  /** Tries all that is due, once. A mail that cannot be delivered waits for its next turn; after a day it is given up. */
  async deliverDue(): Promise<void> {
    for (let due = BATCH; due === BATCH; ) {
      const mails = await this.outbox.take(this.mail.kinds, BATCH, LEASE_SECONDS);
      await Promise.all(mails.map((mail) => this.#try(mail)));
      due = mails.length;
    }
  }

  async #try({ id, kind, params, attempts, ageSeconds }: OutgoingMail): Promise<void> {
    try {
      const message = await this.mail.write(kind, params, id);
      if (message !== null) {
        await this.transport.deliver(id, message);
        this.stats.sent += 1;
      }
      await this.outbox.remove(id);
    } catch (error) {
      this.stats.failed += 1;
      const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
      const details = { context: `mail ${kind}`, count: attempts, ...(code !== undefined && { code }) };
      if (ageSeconds < KEPT_SECONDS) {
        if (attempts === 1) log('warn', 'a mail could not be delivered, and is tried again', details);
        await this.outbox.postpone(id, waitAfter(attempts));
      } else {
        this.stats.given_up += 1;
        log('error', 'a mail could not be delivered for a day, and is given up', details);
        await this.outbox.remove(id);
      }
    }
  }
}
