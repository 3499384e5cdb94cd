import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/transactions.js';
import type { MailMessage, MailParams } from './mail-message.js';
import { MailOutboxRepository } from './mail-outbox.repository.js';

/**
 * Writes a mail when it is about to be sent; null when there is nothing to say any more. It may be asked again for the
 * same mail, under the same id, when a try failed.
 */
export type MailComposer = (params: MailParams, mailId: string) => Promise<MailMessage | null>;

/** The door through which rooms send mail. */
@Injectable()
export class MailService {
  readonly #composers = new Map<string, MailComposer>();

  constructor(private readonly outbox: MailOutboxRepository) {}

  /** The kinds of mail that this process can write. */
  get kinds(): readonly string[] {
    return [...this.#composers.keys()];
  }

  /** Says who writes mails of a kind. Called once, at start. */
  compose(kind: string, composer: MailComposer): void {
    this.#composers.set(kind, composer);
  }

  /**
   * Promises a mail: it is in PostgreSQL when this resolves (within `transaction`: once that commits) and leaves within
   * about a second. A mail server that is away does not matter here: it is tried for a day, at growing intervals up to a
   * quarter of an hour. It may arrive twice when a process dies in the middle of sending; two about the very same that
   * wait are one.
   *
   * @param params ids and addresses that say what it is about; never a secret.
   * @throws the driver's error when PostgreSQL is away.
   */
  send(kind: string, params: MailParams, transaction?: Transaction): Promise<void> {
    return this.outbox.add(kind, params, transaction);
  }

  /** What a mail says; null when there is nothing to say any more. */
  write(kind: string, params: MailParams, mailId: string): Promise<MailMessage | null> {
    const composer = this.#composers.get(kind);
    return composer === undefined ? Promise.resolve(null) : composer(params, mailId);
  }
}
