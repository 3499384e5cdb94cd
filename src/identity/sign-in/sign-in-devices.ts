import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { addressKey } from '../../platform/http/address-key.js';
import { KnownDevices } from '../sessions/devices/known-devices.service.js';
import type { SignInFacts } from '../sessions/sessions.service.js';
import { UserLifecycle, type UserLifecycleEvent } from '../users/user-lifecycle.service.js';
import { SignInDigests } from './sign-in-digests.js';
import { SignInRecoveriesRepository } from './sign-in-recoveries.repository.js';

/** Nobody's id: looking for it takes as long as looking for somebody's. */
const NOBODY = '';

/**
 * On which devices a user's wrong passwords are counted apart from those of strangers: where they signed in before, and
 * where they set a new password by a token from their mail, an hour ago at most. The second is the way in for somebody
 * without a known device whose account strangers keep busy. Rejects when PostgreSQL is away.
 */
@Injectable()
export class SignInDevices implements OnModuleInit {
  constructor(
    private readonly devices: KnownDevices,
    private readonly recoveries: SignInRecoveriesRepository,
    private readonly digests: SignInDigests,
    private readonly lifecycle: UserLifecycle,
  ) {}

  onModuleInit(): void {
    this.lifecycle.on((event, transaction) => this.#onLifecycle(event, transaction));
  }

  /** The digest of the device if it is known for the user; null if not, and for nobody. */
  async known(
    userId: string | null,
    account: string,
    { deviceId, address }: Pick<SignInFacts, 'deviceId' | 'address'>,
  ): Promise<string | null> {
    const holder = userId ?? NOBODY;
    if (deviceId !== null && (await this.devices.isKnownDevice(holder, deviceId)))
      return this.digests.device(account, deviceId);
    const place = addressKey(address);
    return (await this.recoveries.isRemembered(holder, place)) ? this.digests.device(account, `at ${place}`) : null;
  }

  async #onLifecycle({ userId, provedFrom }: UserLifecycleEvent, transaction: Transaction): Promise<void> {
    if (provedFrom !== undefined) await this.recoveries.remember(userId, addressKey(provedFrom), transaction);
  }
}
