import type { AuthAttempt } from '../../kernel/auth-attempt.js';
import type { AuthState, RequestIdentity } from '../../kernel/auth-state.js';
import type { PresentedCredentials } from './credential-headers.js';

/** A claim to an identity that has yet to be checked. */
export interface IdentityClaim {
  /** Checks it; at once where nothing has to be asked. Throws the refusal. */
  authenticate(attempt: AuthAttempt): RequestIdentity | Promise<RequestIdentity>;
}

/**
 * One way of saying who is calling. A new one is a file that implements this and a line in `AuthModule`.
 *
 * Strategies recognise by the form of what was presented, without I/O and without looking at whether it is right: two
 * that recognise the same request make it ambiguous, and none is tried after another has failed.
 */
export interface AuthStrategy {
  readonly method: AuthState['method'];
  /** The claim this strategy sees in the request's credentials; null when they are not of its kind. */
  recognise(credentials: PresentedCredentials): IdentityClaim | null;
}

/** DI token of the list of strategies. */
export const AUTH_STRATEGIES = Symbol('AUTH_STRATEGIES');
