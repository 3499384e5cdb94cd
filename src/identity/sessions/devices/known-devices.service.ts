import { Injectable } from '@nestjs/common';
import { Settings } from '../../../platform/config/settings.js';
import { deriveKey } from '../../../platform/crypto/derived-key.js';
import { readDeviceCookie, setDeviceCookie } from './device-cookie.js';
import { KnownPlacesRepository } from './known-places.repository.js';

/**
 * Which browser a request comes from, by a signed cookie that every sign-in gives, and on which of them a user has signed
 * in before. Who steals the cookie is taken for that browser, and for nobody's session.
 */
@Injectable()
export class KnownDevices {
  readonly #key: Buffer;

  constructor(
    settings: Settings,
    private readonly repository: KnownPlacesRepository,
  ) {
    this.#key = deriveKey(settings.MASTER_KEY, 'device-cookie');
  }

  /** The device of a request, from its raw header lines; null: none that we signed. */
  deviceOf(rawHeaders: readonly string[]): string | null {
    return readDeviceCookie(rawHeaders, this.#key);
  }

  /** The `Set-Cookie` of a device, for 400 days from now. */
  cookieOf(deviceId: string): string {
    return setDeviceCookie(deviceId, this.#key);
  }

  /**
   * Whether the user has signed in on this device before. Of each user the last twenty devices are known. Rejects when
   * PostgreSQL is away.
   *
   * @param deviceId as `deviceOf` gave it; null is never known, at no price.
   */
  async isKnownDevice(userId: string, deviceId: string | null): Promise<boolean> {
    return deviceId !== null && (await this.repository.isKnownDevice(userId, deviceId));
  }
}
