import type { AuthAttempt } from '../../src/kernel/auth-attempt.js';

/** An attempt that costs nothing and always may be made. */
export const FREE_ATTEMPT: AuthAttempt = {
  address: '192.0.2.1',
  userAgent: null,
  reserve: async () => undefined,
  succeeded: () => undefined,
};

/** What a client without allow-lists has in their place. */
export const UNRESTRICTED = { allowedAddresses: null, allowedModels: null, allowedProviders: null } as const;
