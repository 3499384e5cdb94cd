import { randomBytes } from 'node:crypto';
import { csrfTokenOf } from '../../src/identity/sessions/csrf.js';
import { SESSION_COOKIE } from '../../src/identity/sessions/session-cookie.js';
import { ADMIN_SCOPE, PERMISSIONS } from '../../src/kernel/handler-marks.js';
import { newId } from '../../src/kernel/ids.js';
import { Secret } from '../../src/kernel/secret.js';
import type { TestApp } from './app.js';
import { accessTokenOf, buildGrant, buildSession, buildUser } from './people.js';

/** Whatever can stand for an id in a path; names are those of OpenAPI's parameters. */
export type Ids = Readonly<Record<string, string>>;

/** A user with one of everything that has an id, and three ways to say who they are. */
export interface Belongings {
  readonly userId: string;
  readonly ids: Ids;
  /** Headers of an access token, of the cookie of a session, and of a key of theirs that holds all there is. */
  readonly credentials: Readonly<Record<'token' | 'cookie' | 'key', Record<string, string>>>;
}

/** How widely somebody holds every permission but `admin`. */
export type Holding = 'as a developer' | 'for each of their own objects' | 'for whatever they own';

const ALL_PERMISSIONS_ROLE = 'all-permissions';
let last = 0;

/** The role of those who hold everything somewhere; once a database. */
export async function buildRoleOfAll({ database }: TestApp): Promise<void> {
  const id = newId('rol');
  await database.query(`INSERT INTO roles (id, name, description) VALUES ($1, $2, '')`, [id, ALL_PERMISSIONS_ROLE]);
  await database.query('INSERT INTO role_permissions (role_id, permission) SELECT $1, unnest($2::text[])', [
    id,
    PERMISSIONS,
  ]);
}

/** Somebody straight in PostgreSQL, with what is theirs. */
export async function buildBelongings(core: TestApp, holding: Holding): Promise<Belongings> {
  last += 1;
  const { database } = core;
  const { id: userId } = await buildUser(database);
  const [session, spare, browser] = [
    await buildSession(database, userId),
    await buildSession(database, userId),
    await buildSession(database, userId, { kind: 'cookie' }),
  ];
  const keyOf = (scopes: readonly string[]) => core.createClient({ ownerId: userId, scopes });
  const [key, caller] = [await keyOf([]), await keyOf([ADMIN_SCOPE])];
  const [secret] = await database.query<{ id: string }>('SELECT id FROM client_secrets WHERE client_id = $1', [
    key.clientId,
  ]);
  const [roleId, ruleId, permission] = [newId('rol'), `ipr_${randomBytes(8).toString('hex')}`, `thing${last}:read`];
  await database.query(`INSERT INTO roles (id, name, description) VALUES ($1, $2, '')`, [roleId, `role-${last}`]);
  await database.query(`INSERT INTO ip_rules (id, cidr, action, source) VALUES ($1, $2, 'block', 'manual')`, [
    ruleId,
    `2001:db8:${last.toString(16)}::/48`,
  ]);
  await database.query('INSERT INTO custom_permissions (name) VALUES ($1)', [permission]);
  for (const [type, id] of [
    ['client', key.clientId],
    ['user', userId],
  ])
    await database.query(OVERRIDE, [type, id]);
  const grant = await buildGrant(database, userId, { role: 'developer', scope: NOWHERE });
  const ids = {
    user_id: userId,
    client_id: key.clientId,
    session_id: spare.id,
    grant_id: grant,
    role_id: roleId,
    secret: secret?.id ?? '',
    ip_rule: ruleId,
    permission,
  };
  await hold(core, userId, holding, ids);
  return {
    userId,
    ids,
    credentials: {
      token: { authorization: `Bearer ${await accessTokenOf(core, session)}` },
      cookie: {
        cookie: `${SESSION_COOKIE}=${browser.cookie}`,
        'x-csrf-token': csrfTokenOf(new Secret(browser.cookie.split('.')[2] ?? '')),
      },
      key: { 'x-api-key': caller.apiKey },
    },
  };
}

/** Ids like those, of nothing. */
export function idsOfNothing(): Ids {
  const digits = randomBytes(6).toString('hex');
  return {
    user_id: newId('usr'),
    client_id: `cn_live_${digits}`,
    session_id: newId('ses'),
    grant_id: newId('grt'),
    role_id: newId('rol'),
    secret: `${digits}0000`,
    ip_rule: `ipr_${digits}0000`,
    permission: `no${digits}:read`,
  };
}

const NOWHERE = { type: 'resource', resource: 'clients', id: 'nowhere' } as const;

const OVERRIDE = `
  INSERT INTO rate_limit_overrides (subject_type, subject_id, class, windows)
  VALUES ($1, $2, 'general', '[]')`;

async function hold({ database }: TestApp, userId: string, holding: Holding, ids: Ids): Promise<void> {
  const role = ALL_PERMISSIONS_ROLE;
  if (holding === 'as a developer') await buildGrant(database, userId, { role: 'developer' });
  if (holding === 'for whatever they own') await buildGrant(database, userId, { role, conditions: { own_only: true } });
  if (holding !== 'for each of their own objects') return;
  const own: [resource: string, id: string | undefined][] = [
    ['users', ids.user_id],
    ['clients', ids.client_id],
    ['sessions', ids.session_id],
    ['grants', ids.grant_id],
    ['roles', ids.role_id],
    ['ip_rules', ids.ip_rule],
  ];
  for (const [resource, id = ''] of own)
    await buildGrant(database, userId, { role, scope: { type: 'resource', resource, id } });
}
