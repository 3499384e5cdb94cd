import { DataSource } from 'typeorm';
import { SessionDays } from '../../src/identity/sessions/analytics/session-days.js';
import { SessionDaysRepository } from '../../src/identity/sessions/analytics/session-days.repository.js';
import { Settings } from '../../src/platform/config/settings.js';
import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { buildUser } from '../support/people.js';
import {
  ADDRESSES,
  buildSignIn,
  type SessionLife,
  type SessionReplica,
  startSessionLife,
} from '../support/session-life.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TODAY = Date.UTC(2026, 5, 10);
const day = (number: number) => new Date(TODAY + number * DAY_MS).toISOString().replace('.000Z', 'Z');

let life: SessionLife;
let replica: SessionReplica;
let other: SessionReplica;
let days: SessionDays;
let otherDays: SessionDays;

beforeAll(async () => {
  life = await startSessionLife();
  replica = await life.replica({ SESSIONS_PER_USER: '100' });
  other = await life.replica({ SESSIONS_PER_USER: '100' });
});
afterAll(() => life?.stop());
beforeEach(async () => {
  await life.database.query('TRUNCATE session_days, session_activity');
  await life.database.query('DELETE FROM users');
  days = startDays(replica);
  otherDays = startDays(other);
});

/** The job of a replica that was just started. */
function startDays(on: SessionReplica): SessionDays {
  const repository = new SessionDaysRepository(on.get(DataSource), on.get(Settings));
  return new SessionDays(repository, on.get(DatabaseClock), on.get(PeriodicService));
}

/** A clock that moves on, so that a round rests for nothing. */
let rounds = 0;
const at = (onDay: number, hours = 12) => life.at(TODAY + onDay * DAY_MS + hours * HOUR_MS + ++rounds * 1_000);
const run = (on = days) => on.run();
const rows = async (query: Record<string, string> = {}) =>
  (await days.list({ sort: 'day', limit: '200', ...query })).data;
const total = (overrides: object) => ({
  country: null,
  opened: 0,
  sessions: 0,
  users: 0,
  devices: 0,
  countries: 0,
  ...overrides,
});

describe('a day', () => {
  it('is its sign-ins, sessions in use, users, devices and countries, each counted once', async () => {
    const [one, two] = [await buildUser(life.database), await buildUser(life.database)];
    at(0);
    const { session } = await replica.open(buildSignIn(one.id));
    await replica.open(buildSignIn(one.id, { deviceId: session.deviceId, address: ADDRESSES.FR }));
    await replica.open(buildSignIn(two.id, { address: '10.0.0.1' }));
    await run();
    const expected = total({ day: day(0), opened: 3, sessions: 3, users: 2, devices: 2, countries: 2 });
    expect(await rows()).toEqual([expected]);
    for (let round = 0; round < 5; round++) await Promise.all([run(), run(otherDays)]);
    expect(await rows()).toEqual([expected]);
    expect(await rows({ by: 'country' })).toEqual([
      total({ day: day(0), country: 'DE', opened: 1, sessions: 1, users: 1, devices: 1, countries: 1 }),
      total({ day: day(0), country: 'FR', opened: 1, sessions: 1, users: 1, devices: 1, countries: 1 }),
      total({ day: day(0), country: 'ZZ', opened: 1, sessions: 1, users: 1, devices: 1 }),
    ]);
    expect(await rows({ country: 'FR', by: 'country' })).toHaveLength(1);
    expect(await rows({ country: 'JP' })).toEqual([]);
  });

  it('counts a session on each day on which it is used, and in each country', async () => {
    const { id } = await buildUser(life.database);
    at(0, 23);
    const { session } = await replica.open(buildSignIn(id, { kind: 'token' }));
    let minutes = 0;
    for (const [onDay, address] of [
      [0, ADDRESSES.DE],
      [1, ADDRESSES.DE],
      [1, ADDRESSES.FR],
      [1, ADDRESSES.DE],
      [2, ADDRESSES.FR],
    ] as const) {
      life.at(TODAY + onDay * DAY_MS + 23 * HOUR_MS + ++minutes * 61_000);
      replica.sessions.touch(session, address);
      await replica.uses.flush();
    }
    await run();
    expect(await rows()).toEqual([
      total({ day: day(0), opened: 1, sessions: 1, users: 1, devices: 1, countries: 1 }),
      total({ day: day(1), sessions: 1, users: 1, devices: 1, countries: 2 }),
      total({ day: day(2), sessions: 1, users: 1, devices: 1, countries: 1 }),
    ]);
  });

  it('stays what it was when its users and sessions are removed', async () => {
    const users = await Promise.all(Array.from({ length: 3 }, () => buildUser(life.database)));
    at(0);
    for (const { id } of users) await replica.open(buildSignIn(id));
    await run();
    await life.database.query('DELETE FROM users');
    await run();
    expect(await rows()).toMatchObject([{ opened: 3, users: 3 }]);
    for (let later = 1; later <= 8; later++) {
      at(later);
      await run();
    }
    expect(await life.database.query('SELECT 1 FROM session_activity')).toEqual([]);
    expect(await rows()).toMatchObject([{ opened: 3, users: 3 }]);
  });

  it('counts users who were removed before it was made', async () => {
    const { id } = await buildUser(life.database);
    at(0);
    await replica.open(buildSignIn(id));
    await life.database.query('DELETE FROM users');
    await run();
    expect(await rows()).toMatchObject([{ opened: 1, users: 1 }]);
  });

  it('counts what comes late, up to three days, and is not made less by what comes later', async () => {
    const { id } = await buildUser(life.database);
    const late = (onDay: number, session: string) =>
      life.database.query(
        `INSERT INTO session_activity (day, session_id, country, user_id, device_id, opened) VALUES ($1, $2, '', $3, NULL, true)`,
        [new Date(TODAY + onDay * DAY_MS), session, id],
      );
    at(0);
    await late(0, 'ses_1');
    await late(0, 'ses_2');
    await run();
    at(2);
    await late(0, 'ses_3');
    for (let round = 0; round < 3; round++) {
      at(2);
      await run();
    }
    expect(await rows()).toMatchObject([{ day: day(0), opened: 3 }]);
    for (let round = 0; round < 4; round++) {
      at(9);
      await run();
    }
    await late(0, 'ses_4');
    await run(startDays(replica));
    expect(await rows()).toMatchObject([{ day: day(0), opened: 3 }]);
  });

  it('is made up for when nobody ran, and forgotten after three years', async () => {
    const { id } = await buildUser(life.database);
    for (const onDay of [0, 5, 9]) {
      at(onDay);
      await replica.open(buildSignIn(id));
    }
    await run();
    expect(await rows()).toHaveLength(3);
    for (let round = 0; round < 3; round++) {
      at(1_105);
      await run();
    }
    expect(await rows()).toMatchObject([{ day: day(5) }, { day: day(9) }]);
  });

  it('of a hundred sign-ins while it is made by two replicas has all of them', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => buildUser(life.database)));
    at(0);
    await Promise.all([
      ...Array.from({ length: 100 }, (_, index) =>
        (index % 2 ? replica : other).open(buildSignIn(users[index % 10]?.id ?? '')),
      ),
      run(),
      run(otherDays),
    ]);
    at(0);
    await run();
    expect(await rows()).toMatchObject([{ opened: 100, sessions: 100, users: 10, devices: 100, countries: 1 }]);
  });

  it('is not made again at once when it took long', async () => {
    const { id } = await buildUser(life.database);
    at(0);
    await replica.open(buildSignIn(id));
    const aggregate = jest.spyOn(SessionDaysRepository.prototype, 'aggregate').mockImplementation(async () => {
      at(0, 13);
    });
    await run();
    const calls = aggregate.mock.calls.length;
    await run();
    expect(aggregate.mock.calls.length).toBe(calls);
    at(1, 23);
    await run();
    expect(aggregate.mock.calls.length).toBeGreaterThan(calls);
    aggregate.mockRestore();
  });
});

describe('the list of days', () => {
  it('is paged by day and country, within a time', async () => {
    await life.database.query(
      `INSERT INTO session_days (day, country, opened, sessions, users, devices, countries)
       SELECT $1::timestamptz + make_interval(days => number), country, 1, 1, 1, 1, 1
       FROM generate_series(0, 9) AS number, unnest(ARRAY['', 'DE', 'FR']) AS country`,
      [new Date(TODAY)],
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<SessionDays['list']>> = await days.list({
        by: 'country',
        limit: '3',
        ...(cursor !== null && { cursor }),
      });
      seen.push(...page.data.map((row) => `${row.day} ${row.country}`));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(20);
    expect(seen).toEqual([...seen].sort().reverse());
    expect(await rows({ from: day(2), to: day(5) })).toMatchObject([{ day: day(2) }, { day: day(3) }, { day: day(4) }]);
    await expect(days.list({ by: 'user' })).rejects.toMatchObject({
      message: 'query.by: must be one of country',
    });
  });
});
