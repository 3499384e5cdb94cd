import { createApp } from '../../src/app.setup.js';
import { InvalidSettingsError } from '../../src/platform/config/load-settings.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { NO_PROVIDERS } from '../support/app.js';
import { buildSettings } from '../support/build-settings.js';
import { buildUser, PASSWORD } from '../support/people.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const EMAIL = 'First.Admin@example.com';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

/** Starts so many replicas at once, and stops them. */
async function start(overrides: Partial<Record<keyof Settings, string>>, replicas = 1): Promise<void> {
  const settings = buildSettings({ DATABASE_URL: database.url, ...NO_PROVIDERS, ...overrides });
  const apps = await Promise.all(Array.from({ length: replicas }, () => createApp(settings)));
  try {
    await Promise.all(apps.map((app) => app.init()));
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
}

const owners = () =>
  database.query<{ email: string; status: string }>(
    `SELECT users.email, users.status FROM users JOIN grants ON grants.user_id = users.id
     JOIN roles ON roles.id = grants.role_id WHERE roles.name = 'owner'`,
  );
const both = { BOOTSTRAP_ADMIN_EMAIL: EMAIL, BOOTSTRAP_ADMIN_PASSWORD: PASSWORD };

describe('BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD', () => {
  it('make one administrator, however many replicas start at once', async () => {
    await start(both, 4);
    expect(await owners()).toEqual([{ email: EMAIL, status: 'active' }]);
    const [{ count } = { count: 0 }] = await database.query<{ count: number }>('SELECT count(*)::int FROM users');
    expect(count).toBe(1);
    const [row] = await database.query(`SELECT actor_type FROM audit_logs WHERE action = 'user.create'`);
    expect(row).toEqual({ actor_type: 'system' });
  });

  it('say nothing any more once somebody is in charge, be the password what it may', async () => {
    await start(both);
    await database.query(`UPDATE users SET email = 'renamed@example.com', email_key = 'renamed@example.com'`);
    await start({ ...both, BOOTSTRAP_ADMIN_PASSWORD: 'passwordpassword' });
    expect(await owners()).toEqual([{ email: 'renamed@example.com', status: 'active' }]);
  });

  it('take nobody over', async () => {
    const { id } = await buildUser(database, { email: EMAIL.toLowerCase() });
    await start(both);
    expect(await owners()).toEqual([]);
    expect(await database.query('SELECT id FROM users')).toEqual([{ id }]);
  });

  it('keep the process from starting when the password is not taken, or one of them is missing', async () => {
    const weak = start({ ...both, BOOTSTRAP_ADMIN_PASSWORD: 'passwordpassword' });
    await expect(weak).rejects.toThrow(InvalidSettingsError);
    await expect(weak).rejects.toThrow('BOOTSTRAP_ADMIN_PASSWORD: is on the list');
    await expect(weak).rejects.not.toThrow('passwordpassword');
    await expect(start({ BOOTSTRAP_ADMIN_EMAIL: EMAIL })).rejects.toThrow('set both, or none');
    await expect(start({ BOOTSTRAP_ADMIN_PASSWORD: PASSWORD })).rejects.toThrow('set both, or none');
    expect(await owners()).toEqual([]);
  });

  it('are not needed', async () => {
    await start({});
    expect(await owners()).toEqual([]);
  });
});
