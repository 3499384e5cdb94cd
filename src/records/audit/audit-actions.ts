const GRANT = ['user_id', 'role_id', 'role', 'effect', 'scope', 'conditions', 'expires_at', 'reason'] as const;
const ALLOW_LISTS = ['allowed_addresses', 'allowed_models', 'allowed_providers'] as const;
const CLIENT = ['name', 'tier', 'scopes', 'status', 'expires_at', ...ALLOW_LISTS] as const;
const LIMIT = ['windows', 'cost', 'shadow', 'expires_at', 'reason'] as const;
const IP_RULE = ['effect', 'reason', 'expires_at'] as const;

/** The names, and those of what was there before: `previous_…`. */
function andPrevious<const Name extends string>(...names: readonly Name[]): readonly (Name | `previous_${Name}`)[] {
  return [...names, ...names.map((name) => `previous_${name}` as const)];
}

/**
 * Every action there is, `noun.verb`, with the names its details may have. An action or a detail that is not here does
 * not compile, and a detail that got past the compiler is not stored: the log is built from this list, never by taking
 * things out of a request. No name here may stand for a secret, a hash or a header's text.
 */
export const AUDIT_ACTIONS = {
  'client.create': ['name', 'tier', 'scopes', 'environment', 'expires_at', 'owner_id', ...ALLOW_LISTS],
  'client.update': ['changed', ...andPrevious(...CLIENT)],
  'client.revoke': [],
  'client.hand_over': ['owner_id', 'previous_owner_id', 'reason'],
  'secret.create': ['client_id', 'hint', 'expires_at', 'previous_ends_at'],
  'secret.revoke': ['client_id', 'hint'],
  'secret.expire': ['client_id', 'hint', 'expires_at', 'days_left', 'reason'],
  'secret.expires_soon': ['client_id', 'hint', 'expires_at', 'days_left'],
  'secret.leaked': ['client_id', 'hint'],
  'client.expires_soon': ['expires_at', 'days_left'],
  'rate_limit.set': ['class', 'tier', ...andPrevious(...LIMIT)],
  'rate_limit.remove': ['class', 'tier', ...LIMIT],
  'ip_rule.create': ['cidr', 'effect', 'reason', 'expires_at', 'automatic'],
  'ip_rule.update': ['cidr', ...andPrevious(...IP_RULE)],
  'ip_rule.remove': ['cidr', 'effect', 'automatic'],
  'signing_key.create': ['not_before'],
  'signing_key.remove': [],
  'token.issue': ['client_id', 'scopes', 'expires_at'],
  'token.refresh': ['session_id', 'family_id'],
  'token.reuse_detected': ['session_id', 'family_id'],
  'token.revoke': ['kind', 'user_id', 'client_id', 'session_id'],
  'token.revoke_all': [],
  'user.create': ['email', 'name', 'tier', 'status'],
  'user.invite': ['email'],
  'user.accept_invite': ['email'],
  'user.update': ['changed', 'name', 'previous_name', 'tier', 'previous_tier'],
  'user.suspend': [],
  'user.restore': ['status'],
  'user.delete': ['email', 'status', 'handed_over_to'],
  'user.password_change': [],
  'user.password_reset': [],
  'user.email_change': ['email', 'previous_email'],
  'user.sign_in': ['session_id', 'mode', 'known_device'],
  'user.reauthenticate': ['session_id'],
  'user.sign_in_failed': ['account', 'reason', 'known_device'],
  'user.locked_out': ['account', 'reason', 'known_device'],
  'user.sign_out': ['session_id'],
  'session.end': ['user_id', 'reason'],
  'session.end_all': ['reason', 'ended', 'kept_session_id'],
  'session.new_device': ['user_id', 'device', 'country'],
  'session.new_country': ['user_id', 'device', 'country'],
  'session.impossible_travel': ['user_id', 'from_country', 'to_country', 'distance_km', 'speed_kmh', 'minutes'],
  'session.concurrent_countries': ['user_id', 'country', 'other_countries'],
  'role.create': ['name', 'permissions', 'parents'],
  'role.update': ['name', 'permissions', 'parents', 'previous_name', 'previous_permissions', 'previous_parents'],
  'role.delete': ['name', 'permissions', 'parents'],
  'permission.create': ['description'],
  'permission.update': ['description', 'previous_description'],
  'permission.delete': ['description'],
  'grant.create': GRANT,
  'grant.update': [...GRANT, 'previous_conditions', 'previous_expires_at', 'previous_reason'],
  'grant.revoke': GRANT,
  'permission.denied': ['permission', 'code', 'suppressed'],
  'audit.read': [
    'created_after',
    'created_before',
    'action',
    'outcome',
    'actor_type',
    'actor_id',
    'user_id',
    'subject_type',
    'subject_id',
    'session_id',
    'request_id',
    'rows',
    'further',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

/** What an action can be about. */
export const AUDIT_SUBJECTS = [
  'client',
  'secret',
  'user',
  'session',
  'token',
  'signing_key',
  'role',
  'permission',
  'grant',
  'rate_limit',
  'ip_rule',
  'route',
  'audit_log',
] as const;

export type AuditSubject = (typeof AUDIT_SUBJECTS)[number];

/** `operator`: somebody with a shell on the machine; `system`: this service by itself; `anonymous`: no credential. */
export const AUDIT_ACTORS = ['client', 'user', 'operator', 'system', 'anonymous'] as const;

export type AuditActor = (typeof AUDIT_ACTORS)[number];

export const AUDIT_OUTCOMES = ['succeeded', 'refused', 'failed'] as const;

export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];
