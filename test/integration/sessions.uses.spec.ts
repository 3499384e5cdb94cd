import { Client as Session } from 'pg';
import { SessionSignals } from '../../src/identity/sessions/session-signals.js';
import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { type BuiltSession, buildSession, buildUser } from '../support/people.js';
import { ADDRESSES, type SessionLife, type SessionReplica, startSessionLife } from '../support/session-life.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const MINUTE_MS = 60_000;
const START = Date.UTC(2026, 5, 1, 12);

let life: SessionLife;
let replica: SessionReplica;
let other: SessionReplica;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica();
  other = await life.replica();
});
afterAll(() => life?.stop());

const at = (milliseconds: number) => life.at(START + milliseconds);

/** A session in use since `START`, in Germany. */
const started = async (overrides: Parameters<typeof buildSession>[2] = {}): Promise<BuiltSession> => {
  const user = await buildUser(life.database);
  return buildSession(life.database, user.id, {
    createdAt: new Date(START),
    lastSeenAt: new Date(START),
    expiresAt: new Date(START + 86_400_000 * 30),
    address: ADDRESSES.DE,
    country: 'DE',
    ...overrides,
  });
};
const rowOf = async (id: string) =>
  (
    await life.database.query<{ last_seen_at: Date; seen_address: string | null; seen_country: string | null }>(
      'SELECT last_seen_at, seen_address, seen_country FROM sessions WHERE id = $1',
      [id],
    )
  )[0];
const lastSeen = async (id: string) => ((await rowOf(id))?.last_seen_at.getTime() ?? Number.NaN) - START;
const touch = (session: BuiltSession, on = replica, idleSeconds = 1_800, address: string = ADDRESSES.DE) =>
  on.sessions.touch({ id: session.id, idleSeconds }, address);
const eventsOf = (sessionId: string) =>
  life.database.query<{ actor_id: string; address: string; details: Record<string, unknown> }>(
    `SELECT actor_id, address, details FROM audit_logs
     WHERE subject_id = $1 AND action = 'session.concurrent_countries' ORDER BY id`,
    [sessionId],
  );

describe('the last use of a session', () => {
  it('is written once a minute, and is the last one to the millisecond then', async () => {
    const session = await started();
    const written: number[] = [];
    for (let second = 1; second <= 246; second++) {
      at(second * 1_000);
      if (second <= 200) touch(session);
      if (second % 3 === 0) {
        await replica.uses.flush();
        const seen = await lastSeen(session.id);
        if (seen !== written.at(-1) && seen > 0) written.push(seen);
      }
    }
    expect(written).toEqual([3_000, 63_000, 123_000, 183_000, 200_000]);
    expect(replica.uses.noted).toBe(1);
    at(400_000);
    await replica.uses.flush();
    expect(replica.uses.noted).toBe(0);
  });

  it('is written twice within an idle time that is shorter than two minutes', async () => {
    const session = await started({ idleSeconds: 60 });
    for (let second = 1; second <= 120; second++) {
      at(second * 1_000);
      touch(session, replica, 60);
      if (second % 3 === 0) await replica.uses.flush();
      expect(second * 1_000 - (await lastSeen(session.id))).toBeLessThan(40_000);
    }
  });

  it('changes no version, and so nothing that replicas remember', async () => {
    const session = await started();
    const version = () => life.database.query('SELECT version FROM users WHERE id = $1', [session.userId]);
    const before = await version();
    at(1_000);
    touch(session);
    await replica.uses.flush();
    expect(await lastSeen(session.id)).toBe(1_000);
    expect(await version()).toEqual(before);
  });

  it('is the latest, whichever replica writes first', async () => {
    const session = await started();
    at(1_000);
    touch(session, replica);
    at(2_000);
    touch(session, other, 1_800, '10.0.0.1');
    await other.uses.flush();
    await replica.uses.flush();
    expect(await rowOf(session.id)).toMatchObject({ seen_address: '10.0.0.1', seen_country: null });
    expect(await lastSeen(session.id)).toBe(2_000);
  });

  it('of one that has ended, or is gone, is dropped', async () => {
    const session = await started();
    at(1_000);
    await life.database.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [session.id]);
    touch(session);
    touch({ ...session, id: 'ses_00000000000000000000' });
    await replica.uses.flush();
    expect(await lastSeen(session.id)).toBe(0);
  });

  it('waits for nobody who holds the session, and is tried again', async () => {
    const [held, free] = [await started(), await started()];
    const holder = new Session({ connectionString: life.database.url });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [held.id]);
      at(1_000);
      touch(held);
      touch(free);
      const begun = performance.now();
      await replica.uses.flush();
      expect(performance.now() - begun).toBeLessThan(1_000);
      expect([await lastSeen(held.id), await lastSeen(free.id)]).toEqual([0, 1_000]);
      await holder.query('COMMIT');
    } finally {
      await holder.end();
    }
    await replica.uses.flush();
    expect(await lastSeen(held.id)).toBe(1_000);
  });

  it('waits while PostgreSQL is away, and is written when it is back and at the end', async () => {
    const proxy = await TcpProxy.start(life.database.url);
    const cut = await life.replica({ DATABASE_URL: proxy.through(life.database.url) });
    const [first, second] = [await started(), await started()];
    at(5_000);
    touch(first, cut);
    await proxy.refuse();
    await expect(cut.uses.flush()).rejects.toThrow();
    await cut.uses.beforeApplicationShutdown();
    expect(await lastSeen(first.id)).toBe(0);
    await proxy.heal();
    touch(second, cut);
    await cut.uses.flush();
    expect([await lastSeen(first.id), await lastSeen(second.id)]).toEqual([5_000, 5_000]);
    at(9_000);
    touch(first, cut);
    await cut.uses.beforeApplicationShutdown();
    expect(await lastSeen(first.id)).toBe(9_000);
    await proxy.stop();
  });

  it('by many at once, on two replicas, ends in no deadlock', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => started()));
    await Promise.all(
      Array.from({ length: 100 }, async (_, round) => {
        const on = round % 2 ? replica : other;
        at(10_000 + round * MINUTE_MS);
        for (const session of round % 3 ? sessions : [...sessions].reverse()) touch(session, on);
        await on.uses.flush();
        const session = sessions[round % 20];
        if (session === undefined || round % 10 > 0) return;
        const end = { reason: 'ended', origin: null } as const;
        await on.run((transaction) => on.sessions.end(session.userId, session.id, end, transaction));
      }),
    );
  });
});

describe('use from two countries', () => {
  it('by one session within ten minutes is told of, once an hour', async () => {
    const session = await started();
    for (const [minute, address] of [
      [2, ADDRESSES.DE],
      [4, ADDRESSES.JP],
      [6, ADDRESSES.DE],
      [8, ADDRESSES.JP],
    ] as const) {
      at(minute * MINUTE_MS);
      touch(session, minute % 4 ? replica : other, 1_800, address);
      await replica.uses.flush();
      await other.uses.flush();
    }
    expect(await eventsOf(session.id)).toEqual([
      {
        actor_id: session.userId,
        address: ADDRESSES.JP,
        details: { user_id: session.userId, country: 'JP', other_countries: ['DE'] },
      },
    ]);
    const signals =
      replica.get(SessionSignals).stats.concurrent_countries + other.get(SessionSignals).stats.concurrent_countries;
    expect(signals).toBe(1);
    await life.database.query(`UPDATE sessions SET alarmed_at = alarmed_at - interval '61 minutes' WHERE id = $1`, [
      session.id,
    ]);
    at(10 * MINUTE_MS);
    touch(session, replica, 1_800, ADDRESSES.DE);
    await replica.uses.flush();
    expect(await eventsOf(session.id)).toHaveLength(2);
  });

  it('by two sessions of one user is told of once', async () => {
    const first = await started();
    const second = await buildSession(life.database, first.userId, {
      createdAt: new Date(START),
      lastSeenAt: new Date(START - MINUTE_MS * 60),
      address: ADDRESSES.AU,
      country: 'AU',
    });
    at(20 * MINUTE_MS);
    touch(first, replica, 1_800, ADDRESSES.DE);
    await replica.uses.flush();
    expect(await eventsOf(first.id)).toEqual([]);
    touch(second, replica, 1_800, ADDRESSES.AU);
    at(22 * MINUTE_MS);
    touch(first, replica, 1_800, ADDRESSES.DE);
    await replica.uses.flush();
    const events = [...(await eventsOf(first.id)), ...(await eventsOf(second.id))];
    expect(events).toHaveLength(1);
  });

  it('one after the other, from an unknown place, or by another user is nothing to tell', async () => {
    const session = await started();
    const stranger = await started({ address: ADDRESSES.JP, country: 'JP' });
    for (const [minute, address] of [
      [11, ADDRESSES.JP],
      [13, '192.168.0.1'],
      [15, ADDRESSES.AU],
    ] as const) {
      at(minute * MINUTE_MS);
      touch(session, replica, 1_800, address);
      touch(stranger, replica, 1_800, ADDRESSES.JP);
      await replica.uses.flush();
    }
    expect([...(await eventsOf(session.id)), ...(await eventsOf(stranger.id))]).toEqual([]);
    expect(await rowOf(session.id)).toMatchObject({ seen_country: 'AU' });
  });
});

it('is flushed by a job', () => {
  const every = jest.spyOn(PeriodicService.prototype, 'every').mockImplementation(() => undefined);
  replica.uses.onModuleInit();
  expect(every).toHaveBeenCalledWith('note-session-uses', 3_000, expect.any(Function));
});
