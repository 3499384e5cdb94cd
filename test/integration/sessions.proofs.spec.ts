import { hashOfSecret, newSecret, type SessionCookie } from '../../src/identity/sessions/session-cookie.js';
import type { RenewedProof } from '../../src/identity/sessions/sessions.service.js';
import { InvalidLoginError, InvalidSessionError } from '../../src/kernel/identity-errors.js';
import { Secret } from '../../src/kernel/secret.js';
import { type BuiltSession, buildSession, buildUser } from '../support/people.js';
import { type SessionLife, type SessionReplica, startSessionLife } from '../support/session-life.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

let life: SessionLife;
let replica: SessionReplica;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica();
});
afterAll(() => life?.stop());

const versionOf = async (userId: string) =>
  Number(
    (await life.database.query<{ version: string }>('SELECT version FROM users WHERE id = $1', [userId]))[0]?.version,
  );

describe('another secret', () => {
  const hashOf = async (id: string) =>
    (
      await life.database.query<{ secret_hash: string; amr: string[]; mfa: boolean; authenticated_at: Date }>(
        'SELECT secret_hash, amr, mfa, authenticated_at FROM sessions WHERE id = $1',
        [id],
      )
    )[0];

  const presented = ({ userId, id, cookie }: BuiltSession) => ({
    userId,
    sessionId: id,
    secret: new Secret(cookie.split('.')[2] ?? ''),
  });
  const rotate = (cookie: SessionCookie, proof: RenewedProof | null = null) =>
    replica.run((transaction) => replica.sessions.rotateSecret(cookie, proof, transaction));

  it('takes the place of the old one, with a new version, and with what was proved', async () => {
    const { id: userId } = await buildUser(life.database);
    const past = new Date(Date.now() - HOUR_MS);
    const session = await buildSession(life.database, userId, { kind: 'cookie', authenticatedAt: past });
    const { id } = session;
    const before = await hashOf(id);
    const version = await versionOf(userId);
    const first = await rotate(presented(session));
    expect(first).toEqual({ secret: expect.any(Secret), authenticatedAt: past, keptSeconds: null });
    const after = await hashOf(id);
    expect(after).toEqual({ ...before, secret_hash: hashOfSecret(first.secret) });
    expect(after?.secret_hash).not.toBe(before?.secret_hash);
    expect(await versionOf(userId)).toBeGreaterThan(version);
    const cookie = { userId, sessionId: id, secret: first.secret };
    const second = await rotate(cookie, { amr: ['pwd', 'otp'], mfa: true });
    const raised = await hashOf(id);
    expect(raised).toMatchObject({ secret_hash: hashOfSecret(second.secret), amr: ['pwd', 'otp'], mfa: true });
    expect(raised?.authenticated_at.getTime()).toBeGreaterThan(past.getTime());
    expect(raised?.authenticated_at).toEqual(second.authenticatedAt);
    // A proof takes nothing away from what was proved before.
    await rotate({ ...cookie, secret: second.secret }, { amr: ['pwd'], mfa: false });
    expect(await hashOf(id)).toMatchObject({ amr: ['pwd', 'otp'], mfa: true });
  });

  it('is kept by the browser as long as the old one would have been', async () => {
    const { id: userId } = await buildUser(life.database);
    const days = (count: number) => new Date(Date.now() + count * DAY_MS);
    const [createdAt, expiresAt] = [days(-4), days(10)];
    const remembered = { kind: 'cookie', createdAt, expiresAt, idleSeconds: 14 * 86_400 } as const;
    const { keptSeconds } = await rotate(presented(await buildSession(life.database, userId, remembered)));
    expect(keptSeconds).toBeGreaterThan(10 * 86_400 - 60);
    expect(keptSeconds).toBeLessThanOrEqual(10 * 86_400);
    const other = { ...remembered, idleSeconds: 14 * 86_400 - 60 };
    expect(await rotate(presented(await buildSession(life.database, userId, other)))).toMatchObject({
      keptSeconds: null,
    });
  });

  it("is given to no session that has ended or expired, is another user's, or has none", async () => {
    const { id: userId } = await buildUser(life.database);
    const { id: other } = await buildUser(life.database);
    const past = new Date(Date.now() - HOUR_MS);
    const ended = await buildSession(life.database, userId, { kind: 'cookie' });
    await life.database.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [ended.id]);
    const sessions = [
      ended,
      await buildSession(life.database, userId, { kind: 'cookie', expiresAt: past }),
      await buildSession(life.database, userId, { kind: 'cookie', lastSeenAt: past }),
      await buildSession(life.database, userId),
      await buildSession(life.database, other, { kind: 'cookie' }),
    ];
    for (const session of sessions)
      await expect(rotate({ ...presented(session), userId })).rejects.toThrow(InvalidSessionError);
  });

  it('is given for the one there is, and for no other', async () => {
    const { id: userId } = await buildUser(life.database);
    const session = await buildSession(life.database, userId, { kind: 'cookie' });
    const guess = { ...presented(session), secret: newSecret() };
    await expect(rotate(guess, { amr: ['pwd'], mfa: false })).rejects.toThrow(InvalidSessionError);
    await rotate(presented(session));
    await expect(rotate(presented(session))).rejects.toThrow(InvalidSessionError);
  });

  it('is one, however many ask for it with the same at once', async () => {
    const { id: userId } = await buildUser(life.database);
    const session = await buildSession(life.database, userId, { kind: 'cookie' });
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => rotate(presented(session))));
    const [given, ...others] = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(others).toEqual([]);
    expect((await hashOf(session.id))?.secret_hash).toBe(given && hashOfSecret(given.secret));
    for (const each of outcomes)
      if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(InvalidSessionError);
  });

  it('is given to nobody who was suspended, or got another password, while the proof was looked at', async () => {
    const { id: userId } = await buildUser(life.database);
    const session = await buildSession(life.database, userId, { kind: 'cookie' });
    const proof = { amr: ['pwd'], mfa: false, passwordChangedAt: new Date(0) };
    await expect(rotate(presented(session), proof)).rejects.toThrow(InvalidLoginError);
    await life.database.query(`UPDATE users SET status = 'suspended' WHERE id = $1`, [userId]);
    await expect(rotate(presented(session), { amr: ['pwd'], mfa: false })).rejects.toThrow(InvalidLoginError);
    expect((await hashOf(session.id))?.secret_hash).toBe(hashOfSecret(presented(session).secret));
  });
});

describe('another proof', () => {
  const renew = (session: { userId: string; id: string }) =>
    replica.run((transaction) =>
      replica.sessions.renewProof(
        { userId: session.userId, sessionId: session.id },
        { amr: ['otp'], mfa: true },
        transaction,
      ),
    );

  it('counts for a session of tokens from now on, with a new version', async () => {
    const { id: userId } = await buildUser(life.database);
    const past = new Date(Date.now() - HOUR_MS);
    const session = await buildSession(life.database, userId, { authenticatedAt: past });
    const version = await versionOf(userId);
    const at = await renew(session);
    expect(at.getTime()).toBeGreaterThan(past.getTime());
    expect(await versionOf(userId)).toBeGreaterThan(version);
    const [row] = await life.database.query(
      'SELECT authenticated_at, amr, mfa, secret_hash FROM sessions WHERE id = $1',
      [session.id],
    );
    expect(row).toEqual({ authenticated_at: at, amr: ['pwd', 'otp'], mfa: true, secret_hash: null });
  });

  it("counts for none that has ended, is another user's, or has a cookie, which would have to be another one", async () => {
    const { id: userId } = await buildUser(life.database);
    const { id: other } = await buildUser(life.database);
    const ended = await buildSession(life.database, userId);
    await life.database.query('UPDATE sessions SET ended_at = now() WHERE id = $1', [ended.id]);
    const sessions = [ended, await buildSession(life.database, userId, { kind: 'cookie' })];
    for (const session of sessions) await expect(renew(session)).rejects.toThrow(InvalidSessionError);
    const theirs = await buildSession(life.database, other);
    await expect(renew({ ...theirs, userId })).rejects.toThrow(InvalidSessionError);
  });
});
