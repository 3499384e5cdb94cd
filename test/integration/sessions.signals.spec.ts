import { KnownDevices } from '../../src/identity/sessions/devices/known-devices.service.js';
import { SessionSignals } from '../../src/identity/sessions/session-signals.js';
import { buildSession, buildUser } from '../support/people.js';
import {
  ADDRESSES,
  buildSignIn,
  type SessionLife,
  type SessionReplica,
  startSessionLife,
} from '../support/session-life.js';

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 5, 1, 12);

let life: SessionLife;
let replica: SessionReplica;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica({ SESSIONS_PER_USER: '100' });
});
afterAll(() => life?.stop());
beforeEach(() => life.at(START));

const at = (hours: number) => life.at(START + hours * HOUR_MS);
const eventsOf = (sessionId: string) =>
  life.database.query<Record<string, unknown>>(
    `SELECT action, actor_type, actor_id, address, request_id, details FROM audit_logs WHERE subject_id = $1 ORDER BY id`,
    [sessionId],
  );
const devicesOf = async (userId: string) =>
  (
    await life.database.query<{ device_id: string }>(
      'SELECT device_id FROM known_devices WHERE user_id = $1 ORDER BY last_seen_at, device_id',
      [userId],
    )
  ).map(({ device_id }) => device_id);

describe('a sign-in', () => {
  it('is nothing new the first time, nor again on the same device in the same country', async () => {
    const { id } = await buildUser(life.database);
    const first = await replica.open(buildSignIn(id));
    const again = await replica.open(buildSignIn(id, { deviceId: first.session.deviceId }));
    expect([first.signals, again.signals]).toEqual([[], []]);
    expect(again.session.deviceId).toBe(first.session.deviceId);
    expect([...(await eventsOf(first.session.id)), ...(await eventsOf(again.session.id))]).toEqual([]);
  });

  it('on a new device is told of', async () => {
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id));
    const { session, signals } = await replica.open(buildSignIn(id, { userAgent: 'curl/8.5.0' }));
    expect(signals).toEqual(['new_device']);
    expect(await eventsOf(session.id)).toEqual([
      {
        action: 'session.new_device',
        actor_type: 'user',
        actor_id: id,
        address: ADDRESSES.DE,
        request_id: 'req-test',
        details: { user_id: id, device: 'curl 8', country: 'DE' },
      },
    ]);
  });

  it('from a new country is told of, once', async () => {
    const { id } = await buildUser(life.database);
    const { session } = await replica.open(buildSignIn(id));
    const from = (address: string) => replica.open(buildSignIn(id, { address, deviceId: session.deviceId }));
    at(24);
    const abroad = await from(ADDRESSES.JP);
    at(48);
    expect((await from('10.0.0.1')).signals).toEqual([]);
    at(72);
    expect((await from(ADDRESSES.JP)).signals).toEqual([]);
    expect(abroad.signals).toEqual(['new_country']);
    expect(await eventsOf(abroad.session.id)).toMatchObject([
      { action: 'session.new_country', details: { user_id: id, country: 'JP', device: null } },
    ]);
  });

  it('faster than an airliner from the last place is told of', async () => {
    const { id } = await buildUser(life.database);
    const { session } = await replica.open(buildSignIn(id));
    const from = (address: string) => replica.open(buildSignIn(id, { address, deviceId: session.deviceId }));
    at(1);
    const near = await from(ADDRESSES.FR);
    at(3);
    const far = await from(ADDRESSES.AU);
    at(30);
    const later = await from(ADDRESSES.DE);
    expect([near.signals, far.signals, later.signals]).toEqual([
      ['new_country'],
      ['new_country', 'impossible_travel'],
      [],
    ]);
    const [, event] = await eventsOf(far.session.id);
    expect(event).toMatchObject({
      action: 'session.impossible_travel',
      details: { user_id: id, from_country: 'FR', to_country: 'AU', minutes: 120 },
    });
    const details = event?.details as { distance_km: number; speed_kmh: number };
    expect(details.distance_km).toBeGreaterThan(9_000);
    expect(details.speed_kmh).toBe(Math.round(details.distance_km / 2));
  });

  it.each([
    ['GB', 'US', 1, true],
    ['GB', 'US', 6, false],
    ['DE', 'FR', 0, false],
    ['JP', 'GB', 5, true],
    ['JP', 'GB', 9, false],
  ] as const)('from %s, then %s after %d hours: impossible is %p', async (from, to, hours, impossible) => {
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id, { address: ADDRESSES[from] }));
    at(hours);
    const { signals } = await replica.open(buildSignIn(id, { address: ADDRESSES[to] }));
    expect(signals.includes('impossible_travel')).toBe(impossible);
  });

  it('at the same moment from far away has an endless speed', async () => {
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id));
    const { session } = await replica.open(buildSignIn(id, { address: ADDRESSES.AU }));
    const event = (await eventsOf(session.id)).find(({ action }) => action === 'session.impossible_travel');
    expect(event).toMatchObject({ details: { speed_kmh: null, minutes: 0 } });
  });

  it('is compared with where a session was last used, not where it began; by country where no address is known', async () => {
    const { id } = await buildUser(life.database);
    const { id: used } = await buildSession(life.database, id, {
      country: 'AU',
      lastSeenAt: new Date(START - HOUR_MS),
    });
    expect((await replica.open(buildSignIn(id))).signals).toContain('impossible_travel');
    const { id: other } = await buildUser(life.database);
    const session = await buildSession(life.database, other, { country: 'AU', lastSeenAt: new Date(START - HOUR_MS) });
    await life.database.query(`UPDATE sessions SET seen_address = $2, seen_country = 'FR' WHERE id = $1`, [
      session.id,
      ADDRESSES.FR,
    ]);
    expect((await replica.open(buildSignIn(other))).signals).not.toContain('impossible_travel');
    expect(used).not.toBe(session.id);
  });

  it('where the last or the present place is unknown is no travel', async () => {
    const { id } = await buildUser(life.database);
    await buildSession(life.database, id, { country: 'QZ', lastSeenAt: new Date(START - HOUR_MS) });
    expect((await replica.open(buildSignIn(id, { address: ADDRESSES.AU }))).signals).toEqual([]);
    const { id: other } = await buildUser(life.database);
    await replica.open(buildSignIn(other));
    expect((await replica.open(buildSignIn(other, { address: '10.0.0.1' }))).signals).toEqual(['new_device']);
  });

  it('while another session is in use elsewhere is told of, once it is within ten minutes', async () => {
    const { id } = await buildUser(life.database);
    const { session } = await replica.open(buildSignIn(id));
    at(0.25);
    const apart = await replica.open(buildSignIn(id, { address: ADDRESSES.FR, deviceId: session.deviceId }));
    at(0.35);
    const atOnce = await replica.open(buildSignIn(id, { address: ADDRESSES.DE, deviceId: session.deviceId }));
    expect([apart.signals, atOnce.signals]).toEqual([['new_country'], ['concurrent_countries']]);
    expect(await eventsOf(atOnce.session.id)).toMatchObject([
      { action: 'session.concurrent_countries', details: { user_id: id, country: 'DE', other_countries: ['FR'] } },
    ]);
    expect(
      await life.database.query('SELECT alarmed_at FROM sessions WHERE id = $1 AND alarmed_at IS NOT NULL', [
        atOnce.session.id,
      ]),
    ).toHaveLength(1);
    await life.database.query('UPDATE sessions SET ended_at = now() WHERE user_id = $1', [id]);
    const alone = await replica.open(buildSignIn(id, { address: ADDRESSES.FR, deviceId: session.deviceId }));
    expect(alone.signals).toEqual([]);
  });

  it('counts what it told of', async () => {
    const { stats } = replica.get(SessionSignals);
    const before = { ...stats };
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id));
    await replica.open(buildSignIn(id, { address: ADDRESSES.AU }));
    for (const signal of Object.keys(stats) as (keyof typeof stats)[]) expect(stats[signal]).toBe(before[signal] + 1);
  });
});

describe('known devices', () => {
  it('are those of sign-ins that were committed, each of its user alone', async () => {
    const devices = replica.get(KnownDevices);
    const [one, two] = [await buildUser(life.database), await buildUser(life.database)];
    const { session } = await replica.open(buildSignIn(one.id));
    expect(await devices.isKnownDevice(one.id, session.deviceId)).toBe(true);
    expect(await devices.isKnownDevice(two.id, session.deviceId)).toBe(false);
    expect(await devices.isKnownDevice(one.id, 'AAAAAAAAAAAAAAAAAAAAAA')).toBe(false);
    expect(await devices.isKnownDevice(one.id, null)).toBe(false);
    const [pair] = devices.cookieOf(session.deviceId).split(';', 1);
    expect(devices.deviceOf(['Cookie', pair ?? ''])).toBe(session.deviceId);
  });

  it('are twenty at most: those that came back stay longest, then the latest', async () => {
    const { id } = await buildUser(life.database);
    const faithful = await replica.open(buildSignIn(id));
    at(1);
    await replica.open(buildSignIn(id, { deviceId: faithful.session.deviceId }));
    const fleeting: string[] = [];
    for (let number = 0; number < 30; number++) {
      at(2 + number);
      fleeting.push((await replica.open(buildSignIn(id))).session.deviceId);
    }
    const kept = await devicesOf(id);
    expect(kept).toHaveLength(20);
    expect(kept).toEqual([faithful.session.deviceId, ...fleeting.slice(-19)]);
  });

  it('of fifty sign-ins at once are twenty', async () => {
    const { id } = await buildUser(life.database);
    await Promise.all(Array.from({ length: 50 }, () => replica.open(buildSignIn(id))));
    expect(await devicesOf(id)).toHaveLength(20);
  });

  it('go with their user', async () => {
    const { id } = await buildUser(life.database);
    await replica.open(buildSignIn(id));
    await life.database.query('DELETE FROM users WHERE id = $1', [id]);
    expect(await devicesOf(id)).toEqual([]);
  });
});
