import { type AppError } from '../../kernel/app-error.js';
import { ProviderError, ProviderTimeoutError } from '../../kernel/provider-errors.js';

const RETRY_AFTER = /^\d{1,5}$/;

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** The refusal for a call that ended before the provider answered. Says nothing of hosts, addresses or keys. */
export function failureOf(error: unknown): AppError {
  switch (codeOf(error)) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return new ProviderTimeoutError('The provider could not be connected to in time.');
    case 'UND_ERR_HEADERS_TIMEOUT':
      return new ProviderTimeoutError('The provider did not begin its answer in time.');
    case 'UND_ERR_BODY_TIMEOUT':
      return new ProviderTimeoutError('The provider paused too long inside its answer.');
    default:
      return new ProviderError('The provider could not be reached, or broke off its answer.');
  }
}

/**
 * The refusal for a status that must not be passed on as it stands; null when it may be.
 *
 * A redirect is never followed nor shown. 401 and 403 are about the key that was used: the operator's key being refused
 * is not the caller's doing, and must not read like it.
 */
export function refusalOf(status: number, callersOwnKey: boolean): AppError | null {
  if (status >= 300 && status < 400)
    return new ProviderError('The provider answered with a redirect, which is not followed.');
  if ((status === 401 || status === 403) && !callersOwnKey)
    return new ProviderError('The provider refused the key this gateway holds for it. Tell its operator.');
  return null;
}

/** The refusal for any answer but a success, where its body is not passed on. */
export function failureOfStatus(status: number, callersOwnKey: boolean, retryAfter: unknown): AppError {
  const refusal = refusalOf(status, callersOwnKey);
  if (refusal !== null) return refusal;
  const retryAfterSeconds =
    typeof retryAfter === 'string' && RETRY_AFTER.test(retryAfter) ? Number(retryAfter) : undefined;
  return new ProviderError(`The provider answered with status ${status}.`, { retryAfterSeconds });
}
