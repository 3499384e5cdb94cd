import type { IncomingHttpHeaders } from 'node:http';
import type { IncomingHeaders } from './providers/provider.js';

/** Response headers, by lower-case name. */
export type DownHeaders = Record<string, string | number | string[] | undefined>;

const USER_AGENT = 'core-nest';

const PASSED_DOWN = [
  'content-type',
  'content-length',
  'content-encoding',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'request-id',
  'openai-processing-ms',
  'openai-version',
  'openai-model',
] as const;

const PASSED_DOWN_TO_KEY_OWNER = [
  'openai-organization',
  'openai-project',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
] as const;

const KEY_OWNER_PREFIX = 'anthropic-ratelimit-';

/**
 * The headers every upstream request starts with. Nothing of the caller's is in them; a provider adds the few options
 * of its own API. The body is asked for unencoded, so that its usage can be read.
 */
export function upstreamHeaders(): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: '*/*',
    'accept-encoding': 'identity',
    'user-agent': USER_AGENT,
  };
}

/** Copies the named headers a caller sent, where it sent them. */
export function copyHeaders(
  names: readonly string[],
  from: IncomingHeaders,
  to: Record<string, string>,
): Record<string, string> {
  for (const name of names) {
    const value = from[name];
    if (typeof value === 'string' && value !== '') to[name] = value;
  }
  return to;
}

/**
 * Adds to `down` the headers of a provider's response that a caller may see: an allow-list, so that cookies,
 * challenges, locations, hop-by-hop headers and whatever a provider invents next stay here. What tells the account
 * behind the key (organisation, quotas) is passed to the key's owner only.
 */
export function passDownHeaders(upstream: IncomingHttpHeaders, down: DownHeaders, callersOwnKey: boolean): DownHeaders {
  for (const name of PASSED_DOWN) {
    const value = upstream[name];
    if (value !== undefined) down[name] = value;
  }
  if (!callersOwnKey) return down;
  for (const name of PASSED_DOWN_TO_KEY_OWNER) {
    const value = upstream[name];
    if (value !== undefined) down[name] = value;
  }
  for (const name of Object.keys(upstream)) if (name.startsWith(KEY_OWNER_PREFIX)) down[name] = upstream[name];
  return down;
}
