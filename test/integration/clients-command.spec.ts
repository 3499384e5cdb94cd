import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseClientsCommand } from '../../src/identity/clients/clients-command.js';
import { ClientsCommandModule } from '../../src/identity/clients/clients-command.module.js';
import { ClientsCommandService } from '../../src/identity/clients/clients-command.service.js';
import { redisKey } from '../../src/platform/redis/redis-key.js';
import { buildSettings } from '../support/build-settings.js';
import { insertClient } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { createTestRedis, type TestRedis } from '../support/test-redis.js';

describe('the commands on clients', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  const contexts: INestApplicationContext[] = [];

  beforeEach(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), createTestRedis()]);
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await Promise.all([database.drop(), redis.drop()]);
  });

  /** Runs one command in a process context of its own, as the command line does. */
  async function run(words: readonly string[], redisUrl = '') {
    const settings = buildSettings({ DATABASE_URL: database.url, REDIS_URL: redisUrl });
    const context = await NestFactory.createApplicationContext(ClientsCommandModule.for(settings), { logger: false });
    contexts.push(context);
    return context.get(ClientsCommandService).run(await parseClientsCommand(words));
  }

  const fencesLeft = async () =>
    (await database.query<{ client_id: string }>('SELECT client_id FROM credential_fences')).map(
      (row) => row.client_id,
    );

  it('make a client whose key is in the answer, for programs and for people', async () => {
    const { json, text } = await run(['create', '--name', 'ops', '--scope', 'admin', '--tier', 'free']);
    const made = json as Record<string, string>;
    expect(made).toMatchObject({ name: 'ops', scopes: ['admin'], tier: 'free', status: 'active' });
    expect(made.api_key).toBe(`${made.client_id}_${made.client_secret}`);
    expect(text).toContain(`api_key        ${made.api_key}`);
    expect(text).toContain('shown this once');
  });

  it('list nothing, then all, over more than one page', async () => {
    expect(await run(['list'])).toEqual({ json: { data: [] }, text: 'There are no clients yet.' });
    await database.query(
      `INSERT INTO clients (client_id, name, environment, tier, scopes, status)
       SELECT 'cn_live_' || lpad(n::text, 12, '0'), 'client ' || n, 'live', 'paid', '{}', 'active' FROM generate_series(1, 405) n`,
    );
    const { json, text } = await run(['list']);
    const { data } = json as { data: { client_id: string }[] };
    expect(new Set(data.map((client) => client.client_id)).size).toBe(405);
    expect(text.split('\n')).toHaveLength(405);
  });

  it('revoke everywhere where Redis can be told', async () => {
    const { clientId } = await insertClient(database);
    await redis.client.set(redisKey.credential(clientId), 'cached');
    const { json, text } = await run(['revoke', clientId], redis.url);
    expect(json).toEqual({ client_id: clientId, revoked: true, propagation: 'complete' });
    expect(text).toContain('no request that starts from now on');
    expect(await redis.client.exists(redisKey.credential(clientId))).toBe(0);
    expect(await fencesLeft()).toEqual([]);
  });

  it.each(['is not configured', 'is away'])('leave word of a revocation where Redis %s', async (how) => {
    const { clientId } = await insertClient(database);
    const gone = await TcpProxy.start(redis.url);
    await gone.refuse();
    const { json, text } = await run(['revoke', clientId], how === 'is away' ? gone.through(redis.url) : '');
    expect(json).toEqual({ client_id: clientId, revoked: true, propagation: 'complete' });
    expect(text).toContain('no request that starts from now on');
    expect(await fencesLeft()).toEqual([clientId]);
    expect(await database.query('SELECT 1 FROM clients')).toEqual([]);
  });

  it('count a replica that does not confirm, and say by when it ceases', async () => {
    const { clientId } = await insertClient(database);
    await database.query(`INSERT INTO replicas (id, alone_seconds, stale_seconds) VALUES ('rep_silent', 60, 960)`);
    const { json, text } = await run(['revoke', clientId], redis.url);
    expect(json).toEqual({
      client_id: clientId,
      revoked: true,
      propagation: 'pending',
      replicas_pending: 1,
      bounded_by_seconds: 60,
    });
    expect(text).toContain('1 replicas have not confirmed; each refuses it within 60 seconds');
  });

  it('refuse to revoke what is not there', async () => {
    await expect(run(['revoke', 'cn_live_000000000000'])).rejects.toMatchObject({ code: 'not_found' });
  });
});
