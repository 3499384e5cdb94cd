import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The roles everybody starts with, permissions that administrators make, and word of every change of either: each
 * replica holds all roles in its memory. Changes by hand in SQL are heard as well. It can be run again after it broke
 * off anywhere.
 */
export class SeedRoles1775000015000 implements MigrationInterface {
  readonly name = 'SeedRoles1775000015000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE IF NOT EXISTS custom_permissions (
        name text COLLATE "C" NOT NULL,
        description text NOT NULL DEFAULT '',
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT custom_permissions_pkey PRIMARY KEY (name),
        CONSTRAINT custom_permissions_name_check CHECK (name ~ '^[a-z][a-z0-9_]{0,47}:[a-z][a-z0-9_]{0,31}$')
      )`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION roles_announce() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM announce_change('roles', '*', NULL);
        RETURN NULL;
      END $$`);
    for (const [id, name, description] of ROLES)
      await runner.query(
        `INSERT INTO roles (id, name, description, builtin) VALUES ($1, $2, $3, true) ON CONFLICT (id) DO NOTHING`,
        [id, name, description],
      );
    for (const [id, , , permissions, parents] of ROLES) {
      await runner.query(
        'INSERT INTO role_permissions (role_id, permission) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING',
        [id, permissions],
      );
      await runner.query(
        'INSERT INTO role_parents (role_id, parent_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING',
        [id, parents],
      );
    }
    for (const table of TABLES) {
      // A change of a role is one statement or a few, and not so many announcements as it has permissions.
      await runner.query(`
        CREATE OR REPLACE TRIGGER ${table}_announce AFTER INSERT OR UPDATE OR DELETE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION roles_announce()`);
      await runner.query(`
        CREATE OR REPLACE TRIGGER ${table}_announce_truncate AFTER TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION roles_announce()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) {
      await runner.query(`DROP TRIGGER IF EXISTS ${table}_announce_truncate ON ${table}`);
      await runner.query(`DROP TRIGGER IF EXISTS ${table}_announce ON ${table}`);
    }
    await runner.query('DROP FUNCTION IF EXISTS roles_announce()');
    await runner.query('DROP TABLE IF EXISTS custom_permissions');
    const ids = ROLES.map(([id]) => id);
    await runner.query('DELETE FROM grants WHERE role_id = ANY ($1)', [ids]);
    await runner.query('DELETE FROM role_parents WHERE role_id = ANY ($1) OR parent_id = ANY ($1)', [ids]);
    await runner.query('DELETE FROM roles WHERE id = ANY ($1)', [ids]);
  }
}

const TABLES = ['roles', 'role_permissions', 'role_parents', 'custom_permissions'];

type Seed = readonly [id: string, name: string, description: string, permissions: string[], parents: string[]];

const idOf = (name: string) => `rol_${name.padStart(20, '0')}`;

const ROLES: readonly Seed[] = [
  [
    idOf('viewer'),
    'viewer',
    'Sees who may call, how often, and what was called; changes nothing.',
    ['clients:read', 'ip_rules:read', 'limits:read', 'logs:read', 'metrics:read', 'roles:read', 'users:read'],
    [],
  ],
  [
    idOf('auditor'),
    'auditor',
    'Sees everything, the audit log and the reasons of every decision too; changes nothing.',
    ['access:read', 'api_keys:read', 'audit:read', 'grants:read', 'sessions:read', 'tokens:read'],
    [idOf('viewer')],
  ],
  [idOf('billing'), 'billing', 'Sees what was used, by whom.', ['api_keys:read', 'clients:read', 'logs:read'], []],
  [
    idOf('developer'),
    'developer',
    'Calls models, with keys of their own.',
    ['api_keys:delete', 'api_keys:read', 'api_keys:write', 'llm:invoke'],
    [],
  ],
  [
    idOf('operator'),
    'operator',
    'Runs the gateway: clients, limits and rules about addresses.',
    ['clients:delete', 'clients:write', 'ip_rules:write', 'limits:write', 'sessions:read'],
    [idOf('viewer'), idOf('developer')],
  ],
  [
    idOf('admin'),
    'admin',
    'Manages people, roles and everything else, but for the owners.',
    [
      'api_keys:admin',
      'clients:admin',
      'grants:write',
      'roles:admin',
      'sessions:delete',
      'tokens:delete',
      'users:admin',
    ],
    [idOf('auditor'), idOf('operator')],
  ],
  [idOf('owner'), 'owner', 'Holds every permission there is and will be.', ['admin'], []],
];
