import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { ConflictError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import { InvalidSettingsError } from '../../platform/config/load-settings.js';
import { Settings } from '../../platform/config/settings.js';
import { log } from '../../platform/logging/log.js';
import { SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { Founding } from './founding.service.js';

const CONTEXT = { context: 'bootstrap-administrator' };

/**
 * Makes the administrator that `BOOTSTRAP_ADMIN_EMAIL` and `BOOTSTRAP_ADMIN_PASSWORD` name, while there is none: before
 * this process listens, and once over all replicas. The settings say nothing any more as soon as somebody is in charge.
 */
@Injectable()
export class BootstrapAdministrator implements OnApplicationBootstrap {
  constructor(
    private readonly founding: Founding,
    private readonly settings: Settings,
  ) {}

  /** @throws InvalidSettingsError when one of the two is missing, or the password is not taken. */
  async onApplicationBootstrap(): Promise<void> {
    const { BOOTSTRAP_ADMIN_EMAIL: email, BOOTSTRAP_ADMIN_PASSWORD: password } = this.settings;
    if (email === undefined && password === undefined) return;
    if (email === undefined || password === undefined)
      throw new InvalidSettingsError(['BOOTSTRAP_ADMIN_EMAIL, BOOTSTRAP_ADMIN_PASSWORD: set both, or none']);
    try {
      const user = await this.founding.createFirstAdministrator(SYSTEM_ORIGIN, email, new Secret(password));
      if (user !== null) log('info', 'the first administrator was made', CONTEXT);
    } catch (error) {
      if (error instanceof InvalidRequestError)
        throw new InvalidSettingsError([`BOOTSTRAP_ADMIN_PASSWORD: ${error.errors?.[0]?.message ?? 'is not taken'}`]);
      if (!(error instanceof ConflictError)) throw error;
      log('warn', 'there is a user with the address of BOOTSTRAP_ADMIN_EMAIL, who is no administrator', CONTEXT);
    }
  }
}
