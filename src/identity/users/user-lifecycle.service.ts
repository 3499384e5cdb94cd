import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';

/** What became of a user. */
export interface UserLifecycleEvent {
  readonly type: 'password_changed' | 'suspended' | 'restored' | 'deleted';
  readonly userId: string;
  /** `password_changed`: the session in which it was, which goes on. */
  readonly keepSessionId?: string;
  /** `password_changed`: the address of whoever showed that they read the user's mail. */
  readonly provedFrom?: string;
  /** `deleted`: who takes over what they owned; null: it is disabled. */
  readonly heirId?: string | null;
}

/** Does its room's part; throws to undo the whole change. */
export type UserLifecycleListener = (event: UserLifecycleEvent, transaction: Transaction) => Promise<void>;

/**
 * Where rooms that build on users hear what becomes of them. A listener runs in the transaction of the change: its part
 * is done when that is done, and when it throws, nothing is.
 */
@Injectable()
export class UserLifecycle {
  readonly #listeners: UserLifecycleListener[] = [];

  /** Called once by each room, at start. */
  on(listener: UserLifecycleListener): void {
    this.#listeners.push(listener);
  }

  /** Tells the listeners, one after the other, in the order in which they came. */
  async tell(event: UserLifecycleEvent, transaction: Transaction): Promise<void> {
    for (const listener of this.#listeners) await listener(event, transaction);
  }
}
