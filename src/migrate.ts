import { migrate } from './platform/database/migrate.js';

const url = process.env.DATABASE_URL ?? '';
if (!/^postgres(ql)?:\/\//.test(url)) {
  console.error('DATABASE_URL: must be a postgres:// URL');
  process.exit(1);
}
try {
  const applied = await migrate(url);
  for (const name of applied) console.log(`applied ${name}`);
  console.log(applied.length === 0 ? 'The schema was up to date.' : 'The schema is up to date.');
} catch (error) {
  // The message of a failed statement may hold rows: the code alone says enough to look it up.
  const { name = 'Error', code = '' } = error as { name?: string; code?: string };
  console.error(`The schema could not be migrated: ${name} ${code}`.trim());
  process.exit(1);
}
