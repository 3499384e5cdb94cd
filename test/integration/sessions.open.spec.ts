import { SessionCookieService } from '../../src/identity/sessions/session-cookie.service.js';
import { InvalidLoginError, SessionLimitError } from '../../src/kernel/identity-errors.js';
import { buildSession, buildUser } from '../support/people.js';
import { buildSignIn, type SessionLife, type SessionReplica, startSessionLife } from '../support/session-life.js';

const HOUR_MS = 3_600_000;

let life: SessionLife;
let replica: SessionReplica;
let other: SessionReplica;
let refusing: SessionReplica;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica({ SESSIONS_PER_USER: '10' });
  other = await life.replica({ SESSIONS_PER_USER: '10' });
  refusing = await life.replica({ SESSIONS_PER_USER: '10', SESSIONS_WHEN_FULL: 'refuse' });
});
afterAll(() => life?.stop());

interface Row {
  id: string;
  kind: string;
  secret_hash: string | null;
  ended_at: Date | null;
  end_reason: string | null;
  created_at: Date;
  expires_at: Date;
  idle_seconds: number;
  device: string | null;
  country: string | null;
}
const rowsOf = (userId: string) =>
  life.database.query<Row>('SELECT * FROM sessions WHERE user_id = $1 ORDER BY created_at, id', [userId]);
const liveOf = async (userId: string) => (await rowsOf(userId)).filter(({ ended_at }) => ended_at === null);
const versionOf = async (userId: string) =>
  (await life.database.query<{ version: string }>('SELECT version FROM users WHERE id = $1', [userId]))[0]?.version;

describe('fifty sign-ins at once', () => {
  it('leave exactly as many sessions as there may be, the latest, round after round', async () => {
    const { id } = await buildUser(life.database);
    for (let round = 0; round < 4; round++) {
      const opened = await Promise.all(
        Array.from({ length: 50 }, (_, index) => (index % 2 ? replica : other).open(buildSignIn(id))),
      );
      const live = await liveOf(id);
      expect(live).toHaveLength(10);
      const ended = new Set(opened.flatMap(({ endedSessionIds }) => endedSessionIds));
      for (const { session } of opened) expect(ended.has(session.id)).toBe(!live.some((row) => row.id === session.id));
      expect(new Set(opened.map(({ session }) => session.id)).size).toBe(50);
    }
    const rows = await rowsOf(id);
    expect(rows).toHaveLength(200);
    expect(new Set(rows.filter(({ ended_at }) => ended_at !== null).map(({ end_reason }) => end_reason))).toEqual(
      new Set(['replaced']),
    );
  });

  it('let in as many as there may be and refuse the others, round after round', async () => {
    for (let round = 0; round < 3; round++) {
      const { id } = await buildUser(life.database);
      for (let number = 0; number < round; number++) await buildSession(life.database, id);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, () => refusing.open(buildSignIn(id, { kind: 'token' }))),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10 - round);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(SessionLimitError);
      expect(await rowsOf(id)).toHaveLength(10);
    }
  });

  it('and as many ends of all sessions between them wait for each other in no circle', async () => {
    const { id } = await buildUser(life.database);
    await Promise.all(
      Array.from({ length: 60 }, (_, index): Promise<unknown> => {
        const from = index % 2 ? replica : other;
        if (index % 3 > 0) return from.open(buildSignIn(id));
        const end = { reason: 'ended', origin: null, except: null } as const;
        return from.run((transaction) => from.sessions.endAllOf(id, end, transaction));
      }),
    );
    expect((await liveOf(id)).length).toBeLessThanOrEqual(10);
  });
});

describe('a session', () => {
  it('says when there are too many, and what to do', async () => {
    const { id } = await buildUser(life.database);
    for (let number = 0; number < 10; number++) await buildSession(life.database, id);
    await expect(refusing.open(buildSignIn(id))).rejects.toMatchObject({
      status: 409,
      code: 'session_limit',
      message: 'You are signed in 10 times, which is the most there may be. End a session first.',
    });
  });

  it('that has ended by itself makes room, and cannot come back', async () => {
    const { id } = await buildUser(life.database);
    const past = (hours: number) => new Date(Date.now() - hours * HOUR_MS);
    const idle = await buildSession(life.database, id, { lastSeenAt: past(1) });
    const expired = await buildSession(life.database, id, { expiresAt: past(1) });
    for (let number = 0; number < 9; number++) await buildSession(life.database, id);
    const { endedSessionIds, change } = await refusing.open(buildSignIn(id));
    expect([endedSessionIds, change]).toEqual([[], null]);
    const rows = await rowsOf(id);
    expect(rows.find((row) => row.id === idle.id)).toMatchObject({ end_reason: 'idle', ended_at: expect.any(Date) });
    expect(rows.find((row) => row.id === expired.id)).toMatchObject({ end_reason: 'expired' });
    expect(await liveOf(id)).toHaveLength(10);
  });

  it.each([
    ['of tokens', { kind: 'token' }, 1_209_600, 5_184_000],
    ['by cookie', { kind: 'cookie' }, 1_800, 43_200],
    ['by cookie, remembered', { kind: 'cookie', remember: true }, 1_209_600, 1_209_600],
  ] as const)('%s lives as long as the settings say', async (_, kind, idle, ttl) => {
    const { id } = await buildUser(life.database);
    const { session } = await replica.open(buildSignIn(id, kind));
    expect(session.idleSeconds).toBe(idle);
    const [row] = await rowsOf(id);
    expect(row).toMatchObject({ id: session.id, idle_seconds: idle, kind: kind.kind });
    expect((row?.expires_at.getTime() ?? 0) - (row?.created_at.getTime() ?? 0)).toBe(ttl * 1_000);
  });

  it('by cookie keeps a digest of its secret, one of tokens none', async () => {
    const { id } = await buildUser(life.database);
    const cookies = replica.get(SessionCookieService);
    const { secret } = await replica.open(buildSignIn(id));
    const { secret: none } = await replica.open(buildSignIn(id, { kind: 'token' }));
    const [first, second] = await rowsOf(id);
    expect(none).toBeNull();
    expect(second?.secret_hash).toBeNull();
    expect(secret !== null && cookies.isSecretOf(secret, first?.secret_hash ?? null)).toBe(true);
  });

  it('shows its device and country', async () => {
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id, { userAgent: 'curl/8.5.0', address: '8.8.8.8' }));
    await replica.open(buildSignIn(id, { address: '10.0.0.1' }));
    expect(await rowsOf(id)).toMatchObject([
      { device: 'curl 8', country: 'US' },
      { device: null, country: null },
    ]);
  });

  it('raises the version of its user only when it ends another', async () => {
    const { id } = await buildUser(life.database);
    const before = await versionOf(id);
    for (let number = 0; number < 10; number++) await replica.open(buildSignIn(id));
    expect(await versionOf(id)).toBe(before);
    const { endedSessionIds, change } = await replica.open(buildSignIn(id));
    expect(endedSessionIds).toHaveLength(1);
    expect(Number(change?.version)).toBeGreaterThan(Number(before));
    expect(change?.changeIds.length).toBeGreaterThan(0);
  });

  it('is refused to whoever is not active, is gone, or has another password by now', async () => {
    const suspended = await buildUser(life.database, { status: 'suspended' });
    const changed = await buildUser(life.database);
    for (const signIn of [
      buildSignIn(suspended.id),
      buildSignIn('usr_00000000000000000000'),
      buildSignIn(changed.id, { passwordChangedAt: new Date(0) }),
      buildSignIn(changed.id, { passwordChangedAt: null }),
    ])
      await expect(replica.open(signIn)).rejects.toBeInstanceOf(InvalidLoginError);
    const [row] = await life.database.query<{ at: Date }>('SELECT password_changed_at AS at FROM users WHERE id = $1', [
      changed.id,
    ]);
    await replica.open(buildSignIn(changed.id, { passwordChangedAt: row?.at ?? null }));
    expect(await rowsOf(suspended.id)).toEqual([]);
    expect(await liveOf(changed.id)).toHaveLength(1);
  });

  it('that a transaction does not commit never was', async () => {
    const { id } = await buildUser(life.database);
    await expect(
      replica.run(async (transaction) => {
        await replica.sessions.open(buildSignIn(id), transaction);
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    expect(await rowsOf(id)).toEqual([]);
    expect(await life.database.query('SELECT 1 FROM known_devices WHERE user_id = $1', [id])).toEqual([]);
  });
});
