/** RFC 6797; the whole year that preload lists ask for. */
export const STRICT_TRANSPORT_SECURITY = 'max-age=31536000';

/**
 * On every response but those of the LLM routes. An API answer is never framed, sniffed, cached or run; the one page with
 * scripts is `/docs`, which brings a policy of its own.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'strict-transport-security': STRICT_TRANSPORT_SECURITY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
});

/** On the LLM routes, which no browser shows: each line costs the hot path, so only those that still mean something. */
export const MACHINE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
});

/** The policy of `/docs`: scripts and styles from this server, no other host, and the UI's own inline styles. */
export const DOCS_CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
