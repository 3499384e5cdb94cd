const ALLOW_LISTS = ['allowed_addresses', 'allowed_models', 'allowed_providers'] as const;

/**
 * Every action there is, `noun.verb`, with the names its details may have. An action or a detail that is not here does
 * not compile, and a detail that got past the compiler is not stored: the log is built from this list, never by taking
 * things out of a request. No name here may stand for a secret, a hash or a header's text.
 */
export const AUDIT_ACTIONS = {
  'client.create': ['name', 'tier', 'scopes', 'environment', 'expires_at', 'owner_id', ...ALLOW_LISTS],
  'client.update': ['changed', 'name', 'tier', 'scopes', 'status', 'expires_at', ...ALLOW_LISTS],
  'client.revoke': [],
  'client.hand_over': ['owner_id', 'previous_owner_id', 'reason'],
  'secret.create': ['client_id', 'hint', 'expires_at', 'previous_ends_at'],
  'secret.revoke': ['client_id', 'hint'],
  'secret.expire': ['client_id', 'hint', 'expires_at', 'days_left', 'reason'],
  'secret.expires_soon': ['client_id', 'hint', 'expires_at', 'days_left'],
  'secret.leaked': ['client_id', 'hint'],
  'client.expire': ['expires_at', 'days_left'],
  'client.expires_soon': ['expires_at', 'days_left'],
  'rate_limit.set': ['class', 'tier', 'windows', 'cost', 'shadow', 'expires_at', 'reason'],
  'rate_limit.remove': ['class', 'tier'],
  'ip_rule.create': ['cidr', 'effect', 'reason', 'expires_at', 'automatic'],
  'ip_rule.update': ['cidr', 'effect', 'reason', 'expires_at'],
  'ip_rule.remove': ['cidr', 'effect', 'automatic'],
  'signing_key.create': ['not_before'],
  'signing_key.remove': [],
  'user.sign_in': ['session_id', 'mode', 'known_device', 'replaced_session_id'],
  'user.sign_in_failed': ['account', 'reason', 'known_device'],
  'user.locked_out': ['account', 'reason', 'known_device'],
  'user.sign_out': ['session_id'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

/** What a detail may be: no objects, so that nothing is stored whole. */
export type AuditValue = string | number | boolean | null | readonly (string | number)[];

export type AuditDetails<Action extends AuditAction> = Readonly<
  Partial<Record<(typeof AUDIT_ACTIONS)[Action][number], AuditValue>>
>;

const MAX_TEXT = 512;
const MAX_ITEMS = 64;
const API_KEY = /cn_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{30,36}/g;

/** The details of an action as they are stored: listed names only, texts cut, and no api key even by mistake. */
export function storedDetails<Action extends AuditAction>(
  action: Action,
  details: AuditDetails<Action>,
): Record<string, AuditValue> {
  const given: Readonly<Record<string, AuditValue | undefined>> = details;
  const stored: Record<string, AuditValue> = {};
  for (const name of AUDIT_ACTIONS[action]) {
    const value = given[name];
    if (value !== undefined) stored[name] = storedValue(value);
  }
  return stored;
}

function storedValue(value: AuditValue): AuditValue {
  if (typeof value === 'string') return storedText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value === null || typeof value === 'boolean') return value;
  return value.slice(0, MAX_ITEMS).map((item) => (typeof item === 'string' ? storedText(item) : item));
}

/** jsonb takes neither NUL nor half a surrogate pair. */
function storedText(text: string): string {
  return text.slice(0, MAX_TEXT).toWellFormed().replaceAll('\u0000', '').replace(API_KEY, '[redacted]');
}
