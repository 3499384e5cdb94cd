import type { QueryRunner } from 'typeorm';

/**
 * Runs `work`, which changes the table of the audit log, as its owner: that is another role than the service's account
 * where the log was handed over (docs/guides/audit.md).
 *
 * @throws what PostgreSQL throws when the migrating account may not act as the owner.
 */
export async function asAuditOwner(runner: QueryRunner, work: () => Promise<void>): Promise<void> {
  const [audit] = await runner.query(`
    SELECT pg_has_role(current_user, relowner, 'USAGE') AS mine, quote_ident(pg_get_userbyid(relowner)) AS owner,
           quote_ident(current_user) AS role
    FROM pg_class WHERE oid = 'audit_logs'::regclass`);
  if (audit.mine) return work();
  await runner.query('SET ROLE NONE');
  try {
    const [me] = await runner.query('SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user');
    if (!me.superuser) await runner.query(`SET ROLE ${audit.owner}`);
    await work();
  } finally {
    // In a transaction that has failed, its rollback does it.
    await runner.query(`SET ROLE ${audit.role}`).catch(() => undefined);
  }
}
