import { migrate } from './platform/database/migrate.js';
import { type AuditSeparation, separateAuditLog } from './records/audit/owner/audit-owner.repository.js';

/** How far the audit log is closed to the account the service runs as. */
const SEPARATION: Readonly<Record<AuditSeparation, string>> = {
  separate: 'The audit log is insert-only: the account of DATABASE_URL may read it and add to it, nothing else.',
  droppable:
    'The audit log is insert-only, but the account of DATABASE_URL owns the database or the schema and could drop it whole: docs/guides/audit.md',
  grantable:
    'The audit log is insert-only, but the account of DATABASE_URL can make itself its owner: docs/guides/audit.md',
  owner:
    'The audit log is insert-only by its trigger alone, because the account of DATABASE_URL owns it: docs/guides/audit.md',
  superuser:
    'The audit log is insert-only by its trigger alone, because the account of DATABASE_URL is a superuser: docs/guides/audit.md',
};

const url = urlOf('DATABASE_URL', process.env.DATABASE_URL ?? '');
const migrationUrl = process.env.DATABASE_MIGRATION_URL
  ? urlOf('DATABASE_MIGRATION_URL', process.env.DATABASE_MIGRATION_URL)
  : undefined;
try {
  const applied = await migrate(url, undefined, migrationUrl);
  for (const name of applied) console.log(`applied ${name}`);
  console.log(applied.length === 0 ? 'The schema was up to date.' : 'The schema is up to date.');
  console.log(SEPARATION[await separateAuditLog(url, migrationUrl)]);
} catch (error) {
  // The message of a failed statement may hold rows: the code alone says enough to look it up.
  const { name = 'Error', code = '' } = error as { name?: string; code?: string };
  console.error(`The schema could not be migrated: ${name} ${code}`.trim());
  process.exit(1);
}

function urlOf(name: string, value: string): string {
  if (/^postgres(ql)?:\/\//.test(value)) return value;
  console.error(`${name}: must be a postgres:// URL`);
  process.exit(1);
}
