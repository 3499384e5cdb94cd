import { DataSource } from 'typeorm';
import { AuditRepository } from '../../src/records/audit/audit.repository.js';
import { AuditService, originOf, SYSTEM_ORIGIN } from '../../src/records/audit/audit.service.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('the audit log', () => {
  let database: TestDatabase;
  let source: DataSource;
  let audit: AuditService;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource({ type: 'postgres', url: database.url, entities: [] }).initialize();
    audit = new AuditService(new AuditRepository(source));
  });

  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const rows = (id: string) =>
    database.query('SELECT * FROM audit_logs WHERE subject_id = $1 ORDER BY audit_logs.id', [id]);

  it('keeps who did what to what, from where', async () => {
    const record = { address: '192.0.2.7', requestId: 'req_1' } as never;
    const owner = { userId: 'usr_1', grants: [] };
    const state = { kind: 'client', method: 'client', clientId: 'cn_live_000000000001', owner };
    await audit.record({
      action: 'client.create',
      origin: originOf({ identity: { state } as never, record }),
      subject: { type: 'client', id: 'one' },
      details: { name: 'billing', scopes: ['llm:invoke'] },
    });
    await audit.record({
      action: 'secret.leaked',
      origin: originOf({ identity: null, record }),
      subject: { type: 'secret', id: 'one' },
      outcome: 'failed',
    });
    const [made, leaked] = await rows('one');
    expect(made).toMatchObject({
      action: 'client.create',
      actor_type: 'client',
      actor_id: 'cn_live_000000000001',
      user_id: 'usr_1',
      session_id: null,
      subject_type: 'client',
      address: '192.0.2.7',
      request_id: 'req_1',
      outcome: 'succeeded',
      details: { name: 'billing', scopes: ['llm:invoke'] },
    });
    expect(leaked).toMatchObject({ actor_type: 'anonymous', actor_id: null, outcome: 'failed', details: {} });
  });

  it('knows a user and the session of one, and what a change began from', async () => {
    const state = { kind: 'user', method: 'jwt', userId: 'usr_1', sessionId: 'ses_1' };
    const record = { address: '192.0.2.7', requestId: 'req_1' };
    await audit.record({
      action: 'client.update',
      origin: originOf({ identity: { state }, record } as never),
      subject: { type: 'client', id: 'four\u0000' },
      details: { changed: ['tier'], tier: 'free', previous_tier: 'paid' },
    });
    expect(await rows('four')).toMatchObject([
      {
        actor_type: 'user',
        actor_id: 'usr_1',
        user_id: 'usr_1',
        session_id: 'ses_1',
        details: { changed: ['tier'], tier: 'free', previous_tier: 'paid' },
      },
    ]);
  });

  it('adds many at once, each at its own time and in their order', async () => {
    const at = Date.UTC(2026, 0, 31, 23, 59, 59, 7);
    const event = { action: 'client.revoke', origin: SYSTEM_ORIGIN, subject: { type: 'client', id: 'five' } } as const;
    await audit.recordAll([1, 3, 2].map((n) => ({ ...event, at: at + n })));
    expect((await rows('five')).map((row) => (row.at as Date).getTime())).toEqual([at + 1, at + 3, at + 2]);
  });

  it("stands and falls with the caller's transaction", async () => {
    const event = { action: 'client.revoke', origin: SYSTEM_ORIGIN, subject: { type: 'client', id: 'two' } } as const;
    const failing = source.transaction(async (manager) => {
      await audit.record(event, manager);
      throw new Error('the change failed');
    });
    await expect(failing).rejects.toThrow('the change failed');
    expect(await rows('two')).toEqual([]);

    await source.transaction((manager) => audit.record(event, manager));
    expect(await rows('two')).toHaveLength(1);
  });

  it.each([
    "UPDATE audit_logs SET outcome = 'refused'",
    'DELETE FROM audit_logs WHERE false',
    'TRUNCATE audit_logs',
    'SET session_replication_role = replica; DELETE FROM audit_logs',
  ])('refuses %s', async (sql) => {
    await audit.record({ action: 'client.revoke', origin: SYSTEM_ORIGIN, subject: { type: 'client', id: 'three' } });
    await expect(database.query(sql)).rejects.toMatchObject({
      code: '42501',
      message: expect.stringContaining('insert-only'),
    });
    expect((await rows('three')).length).toBeGreaterThan(0);
  });
});
