import type { AuthAttempt } from '../../../kernel/auth-attempt.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import type { Reservation } from './failure-budget.js';
import type { FailureBudgets } from './failure-budgets.service.js';

/**
 * The attempt of one request. Making it costs an allocation; what it does beyond that it does only for a credential
 * that nobody knows yet. What is still reserved when the response closes was a failure.
 */
export class RequestAttempt implements AuthAttempt {
  private reserved: Reservation[] | null = null;

  constructor(
    private readonly request: HttpRequest,
    private readonly reply: HttpReply,
    private readonly budgets: FailureBudgets,
  ) {}

  get address(): string {
    return this.request.record.address;
  }

  get userAgent(): string | null {
    return this.request.raw.headers['user-agent'] ?? null;
  }

  /** As `AuthAttempt` says. Waits up to two seconds while others from this address are being checked. */
  async reserve(subject: string, trustedAddresses: readonly string[] = []): Promise<void> {
    const reservation = await this.budgets.reserve(this.address, subject, trustedAddresses);
    if (this.reply.raw.closed) {
      reservation.keepSpent();
      return;
    }
    if (this.reserved === null) {
      this.reserved = [];
      this.reply.raw.once('close', () => this.settle((each) => each.keepSpent()));
    }
    this.reserved.push(reservation);
  }

  succeeded(): void {
    this.settle((each) => each.giveBack());
  }

  private settle(how: (reservation: Reservation) => void): void {
    const settled = this.reserved;
    if (settled === null) return;
    this.reserved = [];
    for (const each of settled) how(each);
  }
}
