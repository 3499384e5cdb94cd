import { ExpiryWarnings } from '../../src/identity/clients/expiry-warnings.service.js';
import { MetricsService } from '../../src/platform/health/metrics.service.js';
import type { TestApp } from '../support/app.js';
import { DAY_MS, type SecretLife, startSecretLife } from '../support/secret-life.js';

let life: SecretLife;

beforeAll(async () => {
  life = await startSecretLife();
});
afterAll(() => life?.stop());

describe('warnings of an end', () => {
  const warn = (app = life.core) => life.get(ExpiryWarnings, app).warn();
  const daysWarned = async (subjectId: string) =>
    (await life.eventsOf(subjectId)).map(({ details }) => (details as { days_left: number }).days_left);
  const counted = async (app: TestApp) =>
    [
      ...(await life.get(MetricsService, app).text()).matchAll(
        /^core_nest_expiry_warnings_total\{days="(\d+)"\} (\d+)$/gm,
      ),
    ].map(([, days, count]) => [Number(days), Number(count)] as const);

  it('are given 14, 3 and 1 days ahead, once each over restarts and replicas', async () => {
    const end = Date.UTC(2028, 0, 20);
    const { clientId } = await life.core.createClient({ expiresAt: new Date(end) });
    const { clientId: owner } = await life.core.createClient({ secretExpiresAt: new Date(end) });
    const [secret] = await life.secretsOf(owner);
    const before = new Map(await counted(life.core));
    const seen: number[][] = [];
    for (const ahead of [14 * DAY_MS + 1, 14 * DAY_MS, 3 * DAY_MS + 1, 3 * DAY_MS, DAY_MS + 1, DAY_MS, 1, 0]) {
      life.at(end - ahead);
      await warn();
      await Promise.all([warn(life.other), warn()]);
      expect(await daysWarned(secret?.id ?? '')).toEqual(await daysWarned(clientId));
      seen.push(await daysWarned(clientId));
    }
    expect(seen).toEqual([[], [14], [14], [14, 3], [14, 3], [14, 3, 1], [14, 3, 1], [14, 3, 1]]);
    expect((await life.eventsOf(clientId))[0]).toEqual({
      action: 'client.expires_soon',
      actor_type: 'system',
      details: { expires_at: new Date(end).toISOString(), days_left: 14 },
    });
    expect((await life.eventsOf(secret?.id ?? ''))[2]).toEqual({
      action: 'secret.expires_soon',
      actor_type: 'system',
      details: { client_id: owner, hint: expect.any(String), expires_at: new Date(end).toISOString(), days_left: 1 },
    });
    for (const [days, count] of await counted(life.core)) expect(count - (before.get(days) ?? 0)).toBe(2);
  });

  it('are given for another end again, and the last alone when it is nearer than several', async () => {
    const end = Date.UTC(2029, 0, 20);
    const { clientId } = await life.core.createClient({ expiresAt: new Date(end) });
    life.at(end - 2 * DAY_MS);
    await warn();
    expect(await daysWarned(clientId)).toEqual([3]);
    await life.core.database.query('UPDATE clients SET expires_at = $2 WHERE client_id = $1', [
      clientId,
      new Date(end + DAY_MS / 2),
    ]);
    await warn();
    await warn();
    expect(await daysWarned(clientId)).toEqual([3, 3]);
  });

  it('are not given of what is disabled or has no end', async () => {
    const end = Date.UTC(2030, 0, 20);
    const { clientId } = await life.core.createClient({ expiresAt: new Date(end), status: 'disabled' });
    const { clientId: endless } = await life.core.createClient();
    life.at(end - DAY_MS);
    await warn();
    expect([await daysWarned(clientId), await daysWarned(endless)]).toEqual([[], []]);
  });

  it('are all given, however many there are, or none of a batch', async () => {
    const end = Date.UTC(2031, 0, 20);
    await life.core.database.query(
      `INSERT INTO clients (client_id, name, environment, tier, scopes, status, expires_at)
       SELECT 'many' || n, 'many', 'live', 'paid', '{}', 'active', $1 FROM generate_series(1, 700) AS n`,
      [new Date(end)],
    );
    const given = async () =>
      (await life.core.database.query(`SELECT 1 FROM audit_logs WHERE subject_id LIKE 'many%'`)).length;
    life.at(end - DAY_MS);
    await life.core.database.query('ALTER TABLE audit_logs RENAME TO audit_logs_away');
    await expect(warn()).rejects.toThrow();
    await life.core.database.query('ALTER TABLE audit_logs_away RENAME TO audit_logs');
    expect(await given()).toBe(0);
    await warn();
    expect(await given()).toBe(700);
  });

  it('are forgotten when the end has long passed', async () => {
    const end = Date.UTC(2032, 0, 20);
    const { clientId } = await life.core.createClient({ expiresAt: new Date(end) });
    life.at(end - DAY_MS);
    await warn();
    const kept = async () =>
      (await life.core.database.query('SELECT 1 FROM expiry_warnings WHERE subject_id = $1', [clientId])).length;
    life.at(end + 30 * DAY_MS);
    await life.get(ExpiryWarnings).removeOld();
    expect(await kept()).toBe(1);
    life.at(end + 30 * DAY_MS + 1);
    await life.get(ExpiryWarnings).removeOld();
    expect(await kept()).toBe(0);
  });
});
