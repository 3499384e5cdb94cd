import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseUsersCommand } from '../../src/identity/users/users-command.js';
import { UsersCommandModule } from '../../src/identity/users/users-command.module.js';
import { UsersCommandService } from '../../src/identity/users/users-command.service.js';
import { Secret } from '../../src/kernel/secret.js';
import { buildSettings } from '../support/build-settings.js';
import { PASSWORD } from '../support/people.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('the commands on users', () => {
  let database: TestDatabase;
  let context: INestApplicationContext;

  beforeAll(async () => {
    database = await createTestDatabase();
    const settings = buildSettings({ DATABASE_URL: database.url });
    context = await NestFactory.createApplicationContext(UsersCommandModule.for(settings), { logger: false });
  });
  afterAll(async () => {
    await context?.close();
    await database?.drop();
  });

  async function run(line: string, password: string | null = null) {
    const command = await parseUsersCommand(line.split(' '));
    const secret = password === null ? null : new Secret(password);
    const { json, text } = await context.get(UsersCommandService).run(command, secret);
    return { json: json as Record<string, string>, text };
  }

  it('make the first administrator, with a password', async () => {
    const { json, text } = await run('create --email ops@example.com --role owner --password-stdin', PASSWORD);
    expect(json).toMatchObject({
      email: 'ops@example.com',
      name: 'ops',
      status: 'active',
      tier: 'paid',
      roles: ['owner'],
      invite_token: null,
      email_verified_at: expect.any(String),
      password_changed_at: expect.any(String),
    });
    expect(text).toContain('who administers everything');
    expect(JSON.stringify(json) + text).not.toContain(PASSWORD);
    const audited = await database.query(
      `SELECT action, actor_type, outcome FROM audit_logs WHERE subject_id = $1 OR details->>'user_id' = $1 ORDER BY id`,
      [json.user_id],
    );
    expect(audited).toEqual([
      { action: 'user.create', actor_type: 'operator', outcome: 'succeeded' },
      { action: 'grant.create', actor_type: 'operator', outcome: 'succeeded' },
    ]);
  });

  it('show the token that sets a password, and promise no mail', async () => {
    const { json, text } = await run('create --email ada@example.com --name Ada --tier free');
    expect(json).toMatchObject({ name: 'Ada', tier: 'free', status: 'invited', roles: [] });
    expect(json.invite_token).toMatch(/^ott_[\w-]{43}$/);
    expect(text).toContain(json.invite_token);
    expect(await database.query('SELECT FROM mail_outbox')).toEqual([]);
    expect(JSON.stringify(await database.query('SELECT * FROM one_time_tokens'))).not.toContain(json.invite_token);
  });

  it('refuse what the routes refuse, and then make nobody', async () => {
    const owner = 'create --email new@example.com --role owner --password-stdin';
    await expect(run(owner, 'quiet-lanterns')).rejects.toThrow('at least 15 characters');
    await expect(run(owner, 'passwordpassword')).rejects.toThrow('list of common');
    await expect(run('create --email new@example.com --tier platinum')).rejects.toThrow('must be one of');
    await run('create --email twin@example.com');
    await expect(run('create --email TWIN@example.com')).rejects.toThrow('a user with this e-mail address');
    expect(await database.query(`SELECT FROM users WHERE email = 'new@example.com'`)).toEqual([]);
  });
});
