import type { AuthState } from '../../kernel/auth-state.js';
import type { Settings } from '../config/settings.js';
import { type HttpRequest, surfaceOf } from './http-request.js';
import { JSON_BODY_LIMIT_BYTES } from './json-body.js';

/**
 * The largest body a request may have, in bytes: the operator's limits on the LLM routes, where a caller with only a
 * provider token has its own, and 100 kB everywhere else.
 */
export function bodyLimitOf(
  { url }: Pick<HttpRequest, 'url'>,
  kind: AuthState['kind'],
  settings: Pick<Settings, 'MAX_BODY_BYTES' | 'BYOT_MAX_BODY_BYTES'>,
): number {
  const surface = surfaceOf(url);
  if (surface === 'core' || surface === 'oauth') return JSON_BODY_LIMIT_BYTES;
  return kind === 'byot' ? settings.BYOT_MAX_BODY_BYTES : settings.MAX_BODY_BYTES;
}
