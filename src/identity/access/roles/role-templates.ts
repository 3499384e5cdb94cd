/** A role everybody starts with. Its id is `rol_` and its name, filled up with zeros to 20 digits. */
export interface RoleTemplate {
  readonly id: string;
  readonly name: string;
  /** Its own, without those it inherits. */
  readonly permissions: readonly string[];
  /** Names of the roles it inherits from. */
  readonly parents: readonly string[];
}

/**
 * The roles everybody starts with, from the one that holds most to the one that holds least, as migrations put them into
 * PostgreSQL. What is added here needs a migration; a test compares the two.
 */
export const ROLE_TEMPLATES: readonly RoleTemplate[] = [
  template('owner', ['admin']),
  template(
    'admin',
    [
      'api_keys:admin',
      'clients:admin',
      'grants:write',
      'roles:admin',
      'sessions:delete',
      'tokens:delete',
      'users:admin',
    ],
    ['auditor', 'operator'],
  ),
  template(
    'operator',
    ['clients:delete', 'clients:write', 'ip_rules:write', 'limits:write', 'sessions:read'],
    ['developer', 'viewer'],
  ),
  template(
    'auditor',
    ['access:read', 'api_keys:read', 'audit:read', 'grants:read', 'sessions:read', 'tokens:read'],
    ['viewer'],
  ),
  template('billing', ['api_keys:read', 'clients:read', 'logs:read']),
  template('developer', ['api_keys:delete', 'api_keys:read', 'api_keys:write', 'llm:invoke']),
  template('viewer', [
    'clients:read',
    'ip_rules:read',
    'limits:read',
    'logs:read',
    'metrics:read',
    'roles:read',
    'users:read',
  ]),
];

/** The id of such a role, the same in every installation. */
export function templateId(name: string): string {
  return `rol_${name.padStart(20, '0')}`;
}

function template(name: string, permissions: readonly string[], parents: readonly string[] = []): RoleTemplate {
  return { id: templateId(name), name, permissions, parents };
}
