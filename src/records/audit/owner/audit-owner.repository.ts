import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import { accountOf, withClient } from '../../../platform/database/account.js';

/** Whom the audit log belongs to where that is not the service's own account. Nobody signs in as it. */
export const AUDIT_OWNER = 'core_nest_audit';

const LOCK_TIMEOUT_MS = 250;
const LOCK_ATTEMPTS = 120;
const LOCK_PAUSE_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * What keeps the audit log from being rewritten by the account the service runs as, besides the trigger.
 *
 * - `separate`: it may read and add rows, and nothing else.
 * - `droppable`: the same, but the database or the schema is its own, so that it could drop the whole table.
 * - `grantable`: the same, but it may act as the owner where it says so, or make itself able to.
 * - `owner`: the table is its own. Only the trigger is in the way, which it could take away.
 * - `superuser`: nothing is closed to it.
 */
export type AuditSeparation = 'separate' | 'droppable' | 'grantable' | 'owner' | 'superuser';

/**
 * Hands the audit log over to an owner of its own, where it still belongs to the service's account and the account
 * that migrates may do so, and says how it stands. Can be called again at any time.
 *
 * @param serviceUrl the account the service runs as. @param migrationUrl the one that migrates, where it is another.
 * @throws what PostgreSQL throws when it is away, or when the table's lock is not free for a minute.
 */
export async function separateAuditLog(serviceUrl: string, migrationUrl = serviceUrl): Promise<AuditSeparation> {
  const service = await accountOf(serviceUrl);
  return withClient(migrationUrl, async (client) => {
    const before = await separationOf(client, service);
    if (before !== 'owner') return before;
    await handOver(client, service);
    return separationOf(client, service);
  });
}

async function separationOf(client: Client, service: string): Promise<AuditSeparation> {
  const [row] = (
    await client.query(
      `SELECT service.rolsuper AS superuser, pg_has_role(service.oid, audit.relowner, 'USAGE') AS owner,
              pg_has_role(service.oid, audit.relowner, 'MEMBER') AS grantable,
              pg_has_role(service.oid, schema.nspowner, 'USAGE') AS droppable
       FROM pg_roles AS service, pg_class AS audit JOIN pg_namespace AS schema ON schema.oid = audit.relnamespace
       WHERE service.rolname = $1 AND audit.oid = 'audit_logs'::regclass`,
      [service],
    )
  ).rows;
  if (row.superuser) return 'superuser';
  if (row.owner) return 'owner';
  if (row.grantable) return 'grantable';
  return row.droppable ? 'droppable' : 'separate';
}

/** All of it or nothing, and nothing where this account may not: that is no error, but what most accounts are. */
async function handOver(client: Client, service: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await client.query('BEGIN');
    try {
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      if (await changeOwner(client, service)) await client.query('COMMIT');
      else await client.query('ROLLBACK');
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      const code = error instanceof Error ? Reflect.get(error, 'code') : '';
      if (code === INSUFFICIENT_PRIVILEGE) return;
      if (code !== LOCK_NOT_AVAILABLE || attempt === LOCK_ATTEMPTS) throw error;
      await pause(LOCK_PAUSE_MS);
    }
  }
}

/** False when the owner is somebody who can sign in: an account of another's making. */
async function changeOwner(client: Client, service: string): Promise<boolean> {
  const [me] = (
    await client.query(
      `SELECT rolsuper AS superuser, quote_ident(rolname) AS name FROM pg_roles WHERE rolname = current_user`,
    )
  ).rows;
  const [quoted] = (
    await client.query(
      `SELECT quote_ident($1) AS service, nspname::regnamespace::text AS schema
       FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'audit_logs'::regclass`,
      [service],
    )
  ).rows;
  await client.query(`
    DO $$ BEGIN
      CREATE ROLE ${AUDIT_OWNER} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$`);
  const [owner] = (
    await client.query('SELECT rolcanlogin OR rolsuper AS strange FROM pg_roles WHERE rolname = $1', [AUDIT_OWNER])
  ).rows;
  if (owner.strange) return false;

  if (!me.superuser) await client.query(`GRANT ${AUDIT_OWNER} TO ${me.name} WITH INHERIT FALSE, SET TRUE`);
  await client.query(`GRANT USAGE, CREATE ON SCHEMA ${quoted.schema} TO ${AUDIT_OWNER}`);
  await client.query(`ALTER TABLE audit_logs OWNER TO ${AUDIT_OWNER}`);
  await client.query(`ALTER FUNCTION audit_logs_refuse_change() OWNER TO ${AUDIT_OWNER}`);
  await client.query(`SET LOCAL ROLE ${AUDIT_OWNER}`);
  await client.query(`REVOKE ALL ON audit_logs FROM PUBLIC, ${quoted.service}`);
  await client.query(`GRANT SELECT, INSERT ON audit_logs TO ${quoted.service}`);
  await client.query(`GRANT SELECT ON SEQUENCE audit_logs_id_seq TO ${quoted.service}`);
  return true;
}
