import { Injectable } from '@nestjs/common';
import type { ByotAuth, RequestIdentity } from '../../../kernel/auth-state.js';
import type { AuthStrategy, IdentityClaim } from '../auth-strategy.js';
import type { PresentedCredentials } from '../credential-headers.js';

/**
 * Bring your own token: a caller with a provider's token and no identity of ours. The token is the provider's to check;
 * here it is held for this request, never stored, cached or logged.
 */
@Injectable()
export class ByotStrategy implements AuthStrategy {
  readonly method = 'byot';

  recognise(presented: PresentedCredentials): IdentityClaim | null {
    const { identity, session, providerToken } = presented;
    if (identity !== null || session !== null || providerToken === null) return null;
    return { authenticate: () => byotIdentity({ kind: 'byot', method: 'byot', providerToken }) };
  }
}

/** Nothing about it can change while the request runs: confirming and renewing give it back. */
function byotIdentity(state: ByotAuth): RequestIdentity {
  const identity: RequestIdentity = {
    state,
    fence: null,
    confirm: () => Promise.resolve(identity),
    renew: () => Promise.resolve(identity),
  };
  return identity;
}
