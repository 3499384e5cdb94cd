const MAX_CHARACTERS = 256;
const REDACTED = '[redacted]';

/**
 * What a caller may have put there by mistake: our keys, whole or cut, OpenAI's and Anthropic's, bearer tokens, JWTs
 * (RFC 7519), and any text as long and as random as a secret.
 */
const SECRETS = /cn_(?:live|test)_\w*|\bsk-[\w-]*|bearer\s+\S+|\beyJ[\w.-]*|[0-9A-Za-z_-]{30,}/gi;
const NOT_VISIBLE = /[^\x20-\x7e]/g;

/** A `User-Agent` as it may be kept and shown: at most 256 visible ASCII characters, nothing in it like a secret. */
export function shownUserAgent(text: string | null): string | null {
  if (text === null) return null;
  const shown = text.replace(NOT_VISIBLE, '?').replace(SECRETS, REDACTED).slice(0, MAX_CHARACTERS).trim();
  return shown === '' ? null : shown;
}
