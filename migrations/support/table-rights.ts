import type { QueryRunner } from 'typeorm';

/** Gives the table `to` the owner of the table `from`, and to everybody else what they may do with `from`. */
export async function copyOwnerAndGrants(runner: QueryRunner, from: string, to: string): Promise<void> {
  const [{ owner }] = await runner.query(
    'SELECT quote_ident(pg_get_userbyid(relowner)) AS owner FROM pg_class WHERE oid = $1::regclass',
    [from],
  );
  await runner.query(`ALTER TABLE ${to} OWNER TO ${owner}`);
  const grants = await runner.query(
    `SELECT privilege_type AS privilege, is_grantable AS grantable,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
     FROM pg_class, aclexplode(relacl) WHERE oid = $1::regclass AND grantee <> relowner`,
    [from],
  );
  for (const { privilege, grantee, grantable } of grants)
    await runner.query(`GRANT ${privilege} ON ${to} TO ${grantee}${grantable ? ' WITH GRANT OPTION' : ''}`);
}
