import { Client as Session } from 'pg';
import { ExpiryWarnings } from '../../src/identity/clients/expiry-warnings.service.js';
import { SecretEnds } from '../../src/identity/clients/secret-ends.service.js';
import { SecretUses } from '../../src/identity/clients/secret-uses.js';
import { SecretUsesRepository } from '../../src/identity/clients/secret-uses.repository.js';
import { MetricsService } from '../../src/platform/health/metrics.service.js';
import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let core: TestApp;
let other: TestApp;
let admin: InsertedClient;

beforeAll(async () => {
  // Nothing here happens by itself: each piece of work is done by the test.
  jest.spyOn(PeriodicService.prototype, 'every').mockImplementation(() => undefined);
  core = await startApp({ redis: null });
  other = await core.replica();
  admin = await core.createClient({ scopes: ['admin'] });
});
afterAll(async () => {
  await other?.stop();
  await core?.stop();
});

const on = <T>(app: TestApp, type: abstract new (...args: never[]) => T): T =>
  app.app.get(type as never, { strict: false });

/** PostgreSQL's time, for all replicas, as it stands. */
function at(milliseconds: number): void {
  for (const app of [core, other]) jest.spyOn(on(app, DatabaseClock), 'now').mockReturnValue(milliseconds);
}

interface Row {
  readonly id: string;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
  readonly last_used_address: string | null;
}
const secretsOf = (clientId: string) =>
  core.database.query<Row>('SELECT * FROM client_secrets WHERE client_id = $1 ORDER BY created_at, id', [clientId]);
const rotate = async (clientId: string, body: object) => {
  const response = await fetch(`${core.url}/api/v1/clients/${clientId}/secrets`, {
    method: 'POST',
    headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; api_key: string; previous: { id: string; expires_at: string }[] };
};
const statusOf = async (apiKey: string, app = core) => {
  const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } });
  await response.arrayBuffer();
  return response.status;
};
const eventsOf = (subjectId: string) =>
  core.database.query<{ action: string; actor_type: string; details: object }>(
    'SELECT action, actor_type, details FROM audit_logs WHERE subject_id = $1 ORDER BY id',
    [subjectId],
  );

describe('uses of secrets', () => {
  let uses: SecretUsesRepository;
  beforeEach(() => {
    uses = on(core, SecretUsesRepository);
  });

  const useOf = (secretId: string, usedAt: Date, address = '192.0.2.1') => ({
    secretId,
    usedAt,
    address,
    userAgent: 'a',
  });
  const clientRow = async (clientId: string) =>
    (
      await core.database.query<{ version: string; updated_at: Date; last_used_at: Date | null }>(
        'SELECT version, updated_at, last_used_at FROM clients WHERE client_id = $1',
        [clientId],
      )
    )[0];

  it('of many secrets are noted at once, and no version changes', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => core.createClient()));
    const rows = await Promise.all(clients.map(({ clientId }) => secretsOf(clientId)));
    const before = await Promise.all(clients.map(({ clientId }) => clientRow(clientId)));
    const usedAt = new Date('2026-05-06T07:08:09.012Z');
    expect(await uses.record(rows.map(([row]) => useOf(row?.id ?? '', usedAt)))).toEqual([]);
    for (const [index, { clientId }] of clients.entries()) {
      expect(await secretsOf(clientId)).toMatchObject([{ last_used_at: usedAt, last_used_address: '192.0.2.1' }]);
      expect(await clientRow(clientId)).toEqual({ ...before[index], last_used_at: usedAt });
    }
  });

  it('are told to the client once an hour', async () => {
    const { clientId } = await core.createClient();
    const [row] = await secretsOf(clientId);
    const start = Date.UTC(2026, 5, 1);
    const noted: (number | undefined)[] = [];
    for (const minutes of [0, 1, 60, 61]) {
      await uses.record([useOf(row?.id ?? '', new Date(start + minutes * MINUTE_MS))]);
      noted.push((await clientRow(clientId))?.last_used_at?.getTime());
    }
    expect(noted).toEqual([start, start, start, start + 61 * MINUTE_MS]);
  });

  it('of a secret that is no more are dropped', async () => {
    expect(await uses.record([useOf('sec_gone', new Date())])).toEqual([]);
  });

  it('never wait for whoever holds the secret or its client, and are tried again', async () => {
    const [held, free] = [await core.createClient(), await core.createClient()];
    const [[heldRow], [freeRow]] = [await secretsOf(held.clientId), await secretsOf(free.clientId)];
    const session = new Session({ connectionString: core.database.url });
    await session.connect();
    try {
      await session.query('BEGIN');
      await session.query('SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE', [free.clientId]);
      await session.query('UPDATE client_secrets SET hint = hint WHERE id = $1', [heldRow?.id]);
      const started = performance.now();
      const usedAt = new Date('2026-07-01T00:00:00.000Z');
      expect(await uses.record([heldRow, freeRow].map((row) => useOf(row?.id ?? '', usedAt)))).toEqual([heldRow?.id]);
      expect(performance.now() - started).toBeLessThan(1_000);
      expect(await secretsOf(free.clientId)).toMatchObject([{ last_used_at: usedAt }]);
      await session.query('COMMIT');
      expect(await uses.record([useOf(heldRow?.id ?? '', usedAt)])).toEqual([]);
      expect(await secretsOf(held.clientId)).toMatchObject([{ last_used_at: usedAt }]);
    } finally {
      await session.end();
    }
  });

  it('by every replica at once, with rotations between them, end in no deadlock', async () => {
    const { clientId } = await core.createClient();
    for (let number = 0; number < 3; number++) await rotate(clientId, { expire_previous_in_seconds: 3_600 });
    const ids = (await secretsOf(clientId)).map(({ id }) => id);
    const repositories = [uses, on(other, SecretUsesRepository)];
    const writes = Array.from({ length: 60 }, (_, index) => {
      const order = index % 2 ? ids : [...ids].reverse();
      return repositories[index % 2]?.record(order.map((id) => useOf(id, new Date(Date.now() + index))));
    });
    await Promise.all([...writes, rotate(clientId, { expire_previous_in_seconds: 60 })]);
  });

  it('reach the next reader of the credential: where secrets were last right from', async () => {
    const { clientId, apiKey } = await core.createClient();
    expect(await statusOf(apiKey)).toBe(200);
    await on(core, SecretUses).flush();
    expect(await secretsOf(clientId)).toMatchObject([{ last_used_address: '127.0.0.1' }]);
  });
});

describe('a rotation that is to finish when the secrets before it are idle', () => {
  const finish = (app = core) => on(app, SecretEnds).finishRotations();

  it('ends them a day after their last use, everywhere, and says so', async () => {
    const { clientId, apiKey } = await core.createClient();
    const now = Date.now();
    at(now);
    const { previous, api_key } = await rotate(clientId, {
      expire_previous_in_seconds: 2_592_000,
      finish_when_idle: true,
    });
    const used = now + 5 * 3_600_000;
    await on(core, SecretUsesRepository).record([
      { secretId: previous[0]?.id ?? '', usedAt: new Date(used), address: '192.0.2.1', userAgent: null },
    ]);
    expect([await statusOf(apiKey), await statusOf(apiKey, other)]).toEqual([200, 200]);
    for (const early of [now + DAY_MS, used + DAY_MS - 1]) {
      at(early);
      await finish();
      expect((await secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
    }
    at(used + DAY_MS);
    await Promise.all([finish(core), finish(other)]);
    expect((await secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(used + DAY_MS);
    expect([await statusOf(apiKey), await statusOf(apiKey, other)]).toEqual([401, 401]);
    expect(await statusOf(api_key)).toBe(200);
    expect(await eventsOf(previous[0]?.id ?? '')).toEqual([
      {
        action: 'secret.expire',
        actor_type: 'system',
        details: expect.objectContaining({ client_id: clientId, reason: 'idle' }),
      },
    ]);
    const [, current] = await secretsOf(clientId);
    expect(current?.expires_at).toBeNull();
  });

  it('does not count what they rested before it', async () => {
    const { clientId } = await core.createClient();
    const now = Date.now();
    const [row] = await secretsOf(clientId);
    await on(core, SecretUsesRepository).record([
      { secretId: row?.id ?? '', usedAt: new Date(now - 5 * DAY_MS), address: '192.0.2.1', userAgent: null },
    ]);
    at(now);
    await rotate(clientId, { expire_previous_in_seconds: 2_592_000, finish_when_idle: true });
    at(now + DAY_MS - 1);
    await finish();
    expect((await secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
    at(now + DAY_MS);
    await finish();
    expect((await secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + DAY_MS);
  });

  it('ends them with the overlap at the latest, and leaves alone what is not asked for', async () => {
    const [asked, unasked] = [await core.createClient(), await core.createClient()];
    const now = Date.now();
    at(now);
    await rotate(asked.clientId, { expire_previous_in_seconds: 60, finish_when_idle: true });
    await rotate(unasked.clientId, { expire_previous_in_seconds: 2_592_000 });
    at(now + 2 * DAY_MS);
    await finish();
    expect((await secretsOf(asked.clientId))[0]?.expires_at?.getTime()).toBe(now + MINUTE_MS);
    expect((await secretsOf(unasked.clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
  });
});

describe('a secret that has ended', () => {
  it('is listed for thirty days and then deleted', async () => {
    const end = Date.UTC(2027, 0, 1);
    const { clientId } = await core.createClient({ secretExpiresAt: new Date(end) });
    const { clientId: lasting } = await core.createClient();
    const count = async () => [(await secretsOf(clientId)).length, (await secretsOf(lasting)).length];
    at(end + 30 * DAY_MS);
    await on(core, SecretEnds).removeEnded();
    expect(await count()).toEqual([1, 1]);
    at(end + 30 * DAY_MS + 1);
    await Promise.all([on(core, SecretEnds).removeEnded(), on(other, SecretEnds).removeEnded()]);
    expect(await count()).toEqual([0, 1]);
  });
});

describe('warnings of an end', () => {
  const warn = (app = core) => on(app, ExpiryWarnings).warn();
  const daysWarned = async (subjectId: string) =>
    (await eventsOf(subjectId)).map(({ details }) => (details as { days_left: number }).days_left);
  const counted = async (app: TestApp) =>
    [
      ...(await on(app, MetricsService).text()).matchAll(/^core_nest_expiry_warnings_total\{days="(\d+)"\} (\d+)$/gm),
    ].map(([, days, count]) => [Number(days), Number(count)] as const);

  it('are given 14, 3 and 1 days ahead, once each over restarts and replicas', async () => {
    const end = Date.UTC(2028, 0, 20);
    const { clientId } = await core.createClient({ expiresAt: new Date(end) });
    const { clientId: owner } = await core.createClient({ secretExpiresAt: new Date(end) });
    const [secret] = await secretsOf(owner);
    const before = new Map(await counted(core));
    const seen: number[][] = [];
    for (const ahead of [14 * DAY_MS + 1, 14 * DAY_MS, 3 * DAY_MS + 1, 3 * DAY_MS, DAY_MS + 1, DAY_MS, 1, 0]) {
      at(end - ahead);
      await warn();
      await Promise.all([warn(other), warn()]);
      expect(await daysWarned(secret?.id ?? '')).toEqual(await daysWarned(clientId));
      seen.push(await daysWarned(clientId));
    }
    expect(seen).toEqual([[], [14], [14], [14, 3], [14, 3], [14, 3, 1], [14, 3, 1], [14, 3, 1]]);
    expect((await eventsOf(clientId))[0]).toEqual({
      action: 'client.expires_soon',
      actor_type: 'system',
      details: { expires_at: new Date(end).toISOString(), days_left: 14 },
    });
    expect((await eventsOf(secret?.id ?? ''))[2]).toEqual({
      action: 'secret.expires_soon',
      actor_type: 'system',
      details: { client_id: owner, hint: expect.any(String), expires_at: new Date(end).toISOString(), days_left: 1 },
    });
    for (const [days, count] of await counted(core)) expect(count - (before.get(days) ?? 0)).toBe(2);
  });

  it('are given for another end again, and the last alone when it is nearer than several', async () => {
    const end = Date.UTC(2029, 0, 20);
    const { clientId } = await core.createClient({ expiresAt: new Date(end) });
    at(end - 2 * DAY_MS);
    await warn();
    expect(await daysWarned(clientId)).toEqual([3]);
    await core.database.query('UPDATE clients SET expires_at = $2 WHERE client_id = $1', [
      clientId,
      new Date(end + DAY_MS / 2),
    ]);
    await warn();
    await warn();
    expect(await daysWarned(clientId)).toEqual([3, 3]);
  });

  it('are not given of what is disabled or has no end', async () => {
    const end = Date.UTC(2030, 0, 20);
    const { clientId } = await core.createClient({ expiresAt: new Date(end), status: 'disabled' });
    const { clientId: endless } = await core.createClient();
    at(end - DAY_MS);
    await warn();
    expect([await daysWarned(clientId), await daysWarned(endless)]).toEqual([[], []]);
  });

  it('are all given, however many there are, or none of a batch', async () => {
    const end = Date.UTC(2031, 0, 20);
    await core.database.query(
      `INSERT INTO clients (client_id, name, environment, tier, scopes, status, expires_at)
       SELECT 'many' || n, 'many', 'live', 'paid', '{}', 'active', $1 FROM generate_series(1, 700) AS n`,
      [new Date(end)],
    );
    const given = async () =>
      (await core.database.query(`SELECT 1 FROM audit_logs WHERE subject_id LIKE 'many%'`)).length;
    at(end - DAY_MS);
    await core.database.query('ALTER TABLE audit_logs RENAME TO audit_logs_away');
    await expect(warn()).rejects.toThrow();
    await core.database.query('ALTER TABLE audit_logs_away RENAME TO audit_logs');
    expect(await given()).toBe(0);
    await warn();
    expect(await given()).toBe(700);
  });

  it('are forgotten when the end has long passed', async () => {
    const end = Date.UTC(2032, 0, 20);
    const { clientId } = await core.createClient({ expiresAt: new Date(end) });
    at(end - DAY_MS);
    await warn();
    const kept = async () =>
      (await core.database.query('SELECT 1 FROM expiry_warnings WHERE subject_id = $1', [clientId])).length;
    at(end + 30 * DAY_MS);
    await on(core, ExpiryWarnings).removeOld();
    expect(await kept()).toBe(1);
    at(end + 30 * DAY_MS + 1);
    await on(core, ExpiryWarnings).removeOld();
    expect(await kept()).toBe(0);
  });
});
