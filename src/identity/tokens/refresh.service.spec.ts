import { buildSettings } from '../../../test/support/build-settings.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import { Clock } from '../../kernel/clock.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { SYSTEM_ORIGIN } from '../../records/audit/audit.service.js';
import { RefreshService } from './refresh.service.js';
import type { RefreshEffects } from './refresh-effects.js';
import { RefreshTokenCodec } from './refresh-token-codec.js';
import type { RefreshTokensRepository } from './refresh-tokens.repository.js';
import type { TokensService } from './tokens.service.js';

it('exchanges nothing while there is no key to sign with: the transaction breaks off', async () => {
  const settings = buildSettings();
  const codec = new RefreshTokenCodec(settings);
  const repository = { rotate: async () => ({ outcome: 'rotated', sessionId: 'ses_', expiresAt: new Date() }) };
  const tokens = {
    renewed: () => {
      throw new AuthUnavailableError();
    },
  };
  let committed = 0;
  const effects = {
    inTransaction: async (work: (transaction: object) => Promise<unknown>) => {
      const result = await work({});
      committed += 1;
      return result;
    },
    record: async () => null,
    touch: () => undefined,
  };
  const service = new RefreshService(
    settings,
    codec,
    repository as unknown as RefreshTokensRepository,
    tokens as unknown as TokensService,
    new DatabaseClock(new Clock()),
    effects as unknown as RefreshEffects,
  );
  const attempt = { address: '192.0.2.1', userAgent: null } as unknown as AuthAttempt;
  await expect(service.refresh(codec.random(), attempt, SYSTEM_ORIGIN)).rejects.toThrow(AuthUnavailableError);
  expect(committed).toBe(0);
});
