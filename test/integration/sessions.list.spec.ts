import { SessionManagement } from '../../src/identity/sessions/session-management.service.js';
import { buildSession, buildUser } from '../support/people.js';
import { ADDRESSES, type SessionLife, type SessionReplica, startSessionLife } from '../support/session-life.js';

const HOUR_MS = 3_600_000;

let life: SessionLife;
let replica: SessionReplica;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica();
});
afterAll(() => life?.stop());

describe('the list of sessions', () => {
  it('is live ones, the newest first, unless others are asked for', async () => {
    life.at(Date.now());

    const list = async (userId: string, query: Record<string, string> = {}, current: string | null = null) =>
      replica.get(SessionManagement).list(userId, current, query);
    const { id } = await buildUser(life.database);
    const past = (hours: number) => new Date(Date.now() - hours * HOUR_MS);
    const made = {
      idle: await buildSession(life.database, id, { createdAt: past(6), lastSeenAt: past(5) }),
      expired: await buildSession(life.database, id, { createdAt: past(5), expiresAt: past(1), idleSeconds: 86_400 }),
      cookie: await buildSession(life.database, id, {
        createdAt: past(4),
        kind: 'cookie',
        country: 'DE',
        address: ADDRESSES.DE,
      }),
      token: await buildSession(life.database, id, { createdAt: past(3), lastSeenAt: past(0.1) }),
      ended: await buildSession(life.database, id, { createdAt: past(2) }),
    };
    await life.database.query(`UPDATE sessions SET ended_at = now(), end_reason = 'signed_out' WHERE id = $1`, [
      made.ended.id,
    ]);
    const ids = async (query: Record<string, string> = {}) => (await list(id, query)).data.map((session) => session.id);
    expect(await ids()).toEqual([made.token.id, made.cookie.id]);
    expect(await ids({ status: 'active', sort: 'last_seen_at' })).toEqual([made.token.id, made.cookie.id]);
    expect(await ids({ status: 'ended' })).toEqual([made.ended.id, made.expired.id, made.idle.id]);
    expect(await ids({ kind: 'cookie' })).toEqual([made.cookie.id]);
    expect(await ids({ country: 'DE' })).toEqual([made.cookie.id]);
    expect(await ids({ created_after: past(3.5).toISOString() })).toEqual([made.token.id]);
    expect(await ids({ created_before: past(3.5).toISOString() })).toEqual([made.cookie.id]);
    const ended = (await list(id, { status: 'ended' })).data;
    expect(ended.map(({ end_reason }) => end_reason)).toEqual(['signed_out', 'expired', 'idle']);
    expect(ended.map(({ status }) => status)).toEqual(['ended', 'ended', 'ended']);

    const { data } = await list(id, {}, made.cookie.id);
    expect(data.map(({ current }) => current)).toEqual([false, true]);
    expect(Object.keys(data[0] ?? {})).not.toContain('secret_hash');
    expect(JSON.stringify(data)).not.toMatch(/hash|device_id/);

    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await list(id, { limit: '1', sort: '-last_seen_at', ...(cursor !== null && { cursor }) });
      seen.push(...page.data.map((session) => session.id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual([made.cookie.id, made.token.id]);
    await expect(list(id, { user_id: id })).rejects.toMatchObject({
      message: 'query.user_id: is not a filter of this list',
    });
  });
});
