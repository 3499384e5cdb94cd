import { SessionManagement } from '../../src/identity/sessions/session-management.service.js';
import { SessionsRepository } from '../../src/identity/sessions/sessions.repository.js';
import { UserLifecycle } from '../../src/identity/users/user-lifecycle.service.js';
import { NotFoundError } from '../../src/kernel/app-error.js';
import { buildSession, buildUser } from '../support/people.js';
import { type SessionLife, type SessionReplica, startSessionLife } from '../support/session-life.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const ORIGIN = { actorType: 'user', actorId: 'usr_actor', address: '192.0.2.1', requestId: 'req-1' } as const;

let life: SessionLife;
let replica: SessionReplica;
let management: SessionManagement;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica();
  management = replica.get(SessionManagement);
});
afterAll(() => life?.stop());

interface Row {
  id: string;
  ended_at: Date | null;
  end_reason: string | null;
}
const rowsOf = (userId: string) =>
  life.database.query<Row>('SELECT id, ended_at, end_reason FROM sessions WHERE user_id = $1 ORDER BY created_at, id', [
    userId,
  ]);
const versionOf = async (userId: string) =>
  Number(
    (await life.database.query<{ version: string }>('SELECT version FROM users WHERE id = $1', [userId]))[0]?.version,
  );
const eventsOf = (subjectId: string) =>
  life.database.query('SELECT action, actor_id, details FROM audit_logs WHERE subject_id = $1 ORDER BY id', [
    subjectId,
  ]);
const three = async () => {
  const { id: userId } = await buildUser(life.database);
  const sessions = [];
  for (let number = 0; number < 3; number++)
    sessions.push(
      await buildSession(life.database, userId, { createdAt: new Date(Date.now() - (3 - number) * 1_000) }),
    );
  return { userId, ids: sessions.map(({ id }) => id) as [string, string, string] };
};
const reasons = async (userId: string) => (await rowsOf(userId)).map(({ end_reason }) => end_reason);

describe('an end', () => {
  it('of one session is in force with the change that was announced, and in the audit log', async () => {
    const { userId, ids } = await three();
    const before = await versionOf(userId);
    expect(await management.endOne(userId, ids[1], { reason: 'ended', origin: ORIGIN })).toEqual({
      propagation: 'complete',
    });
    expect(await reasons(userId)).toEqual([null, 'ended', null]);
    expect(await versionOf(userId)).toBeGreaterThan(before);
    expect(await eventsOf(ids[1])).toEqual([
      { action: 'session.end', actor_id: 'usr_actor', details: { user_id: userId, reason: 'ended' } },
    ]);
  });

  it('of one that has ended changes nothing, and is no fault', async () => {
    const { userId, ids } = await three();
    await management.endOne(userId, ids[0], { reason: 'ended', origin: ORIGIN });
    const [first] = await rowsOf(userId);
    const version = await versionOf(userId);
    await management.endOne(userId, ids[0], { reason: 'ended_by_administrator', origin: ORIGIN });
    expect((await rowsOf(userId))[0]).toEqual(first);
    expect(await versionOf(userId)).toBe(version);
    expect(await eventsOf(ids[0])).toHaveLength(1);
  });

  it("of somebody else's, of none and of no id is refused alike", async () => {
    const { userId } = await three();
    const { ids } = await three();
    for (const id of [ids[0], 'ses_00000000000000000000', 'no id', '\u0000', ''])
      await expect(management.endOne(userId, id, { reason: 'ended', origin: ORIGIN })).rejects.toMatchObject({
        code: 'not_found',
        message: 'There is no session with this id.',
      });
    await expect(
      management.endOne('usr_00000000000000000000', ids[0], { reason: 'ended', origin: ORIGIN }),
    ).rejects.toThrow(NotFoundError);
    expect(
      (await life.database.query<Row>('SELECT ended_at FROM sessions WHERE id = $1', [ids[0]]))[0]?.ended_at,
    ).toBeNull();
  });

  it('of all leaves the one that was excepted, and is one row of the audit log', async () => {
    const { userId, ids } = await three();
    await management.endAll(userId, ids[2], { reason: 'ended', origin: ORIGIN });
    expect(await reasons(userId)).toEqual(['ended', 'ended', null]);
    expect(await eventsOf(userId)).toEqual([
      {
        action: 'session.end_all',
        actor_id: 'usr_actor',
        details: { reason: 'ended', ended: 2, kept_session_id: ids[2] },
      },
    ]);
    await management.endAll(userId, null, { reason: 'ended', origin: ORIGIN });
    await management.endAll(userId, null, { reason: 'ended', origin: ORIGIN });
    expect(await reasons(userId)).toEqual(['ended', 'ended', 'ended']);
    expect(await eventsOf(userId)).toHaveLength(2);
  });

  it('without an origin writes nothing: that is for whoever asked', async () => {
    const { userId, ids } = await three();
    const ended = await replica.run(async (transaction) => [
      await replica.sessions.end(userId, ids[0], { reason: 'signed_out', origin: null }, transaction),
      await replica.sessions.endAllOf(userId, { reason: 'token_reuse', origin: null, except: null }, transaction),
    ]);
    expect(ended.map((each) => each?.ids)).toEqual([[ids[0]], [ids[1], ids[2]]]);
    expect([...(await eventsOf(userId)), ...(await eventsOf(ids[0]))]).toEqual([]);
  });

  it.each(['suspended', 'deleted', 'password_changed'] as const)(
    'comes when the user was %s, with that change',
    async (type) => {
      const { userId, ids } = await three();
      const lifecycle = replica.get(UserLifecycle);
      await expect(
        replica.run(async (transaction) => {
          await lifecycle.tell({ type, userId }, transaction);
          throw new Error('undone');
        }),
      ).rejects.toThrow('undone');
      expect(await reasons(userId)).toEqual([null, null, null]);
      const keepSessionId = type === 'password_changed' ? ids[0] : undefined;
      await replica.run((transaction) => lifecycle.tell({ type, userId, keepSessionId }, transaction));
      expect(await reasons(userId)).toEqual([keepSessionId === undefined ? type : null, type, type]);
    },
  );

  it('does not come when the user was restored', async () => {
    const { userId } = await three();
    await replica.run((transaction) => replica.get(UserLifecycle).tell({ type: 'restored', userId }, transaction));
    expect(await reasons(userId)).toEqual([null, null, null]);
  });
});

describe('the job', () => {
  it('marks sessions whose end has come with when it came, and raises the version of their users', async () => {
    const now = Date.now();
    life.at(now);
    const { id: userId } = await buildUser(life.database);
    const expired = await buildSession(life.database, userId, { expiresAt: new Date(now - 1_000) });
    const idle = await buildSession(life.database, userId, {
      lastSeenAt: new Date(now - 5 * HOUR_MS),
      idleSeconds: 1_800,
      expiresAt: new Date(now - 1_000),
    });
    const live = await buildSession(life.database, userId);
    const version = await versionOf(userId);
    await replica.expiry.run();
    const rows = new Map((await rowsOf(userId)).map((row) => [row.id, row]));
    expect(rows.get(expired.id)).toMatchObject({ end_reason: 'expired', ended_at: new Date(now - 1_000) });
    expect(rows.get(idle.id)).toMatchObject({ end_reason: 'idle', ended_at: new Date(now - 4.5 * HOUR_MS) });
    expect(rows.get(live.id)?.ended_at).toBeNull();
    expect(await versionOf(userId)).toBeGreaterThan(version);
  });

  it('removes rows 90 days after the end, batch by batch', async () => {
    const now = Date.now();
    life.at(now);
    const { id: userId } = await buildUser(life.database);
    await life.database.query(
      `INSERT INTO sessions (id, user_id, kind, method, idle_seconds, expires_at, ended_at)
       SELECT 'ses_' || lpad(number::text, 20, '0'), $1, 'token', 'password', 60, now(),
              now() - CASE WHEN number <= 2500 THEN interval '91 days' ELSE interval '89 days' END
       FROM generate_series(1, 2600) AS number`,
      [userId],
    );
    await replica.expiry.run();
    expect(await rowsOf(userId)).toHaveLength(100);
    life.at(now + 2 * DAY_MS);
    await replica.expiry.run();
    expect(await rowsOf(userId)).toHaveLength(0);
  });

  it('leaves users alone that somebody holds, and takes them the next time', async () => {
    const now = Date.now();
    life.at(now);
    const { id: userId } = await buildUser(life.database);
    const { id } = await buildSession(life.database, userId, { expiresAt: new Date(now - 1_000) });
    const repository = replica.get(SessionsRepository);
    await replica.run(async (transaction) => {
      await repository.lockUser(userId, transaction);
      await replica.expiry.run();
    });
    expect((await rowsOf(userId)).find((row) => row.id === id)?.ended_at).toBeNull();
    await replica.expiry.run();
    expect((await rowsOf(userId)).find((row) => row.id === id)?.ended_at).not.toBeNull();
  });
});
