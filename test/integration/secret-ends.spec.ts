import { SecretEnds } from '../../src/identity/clients/secret-ends.service.js';
import { SecretUsesRepository } from '../../src/identity/clients/secret-uses.repository.js';
import { DAY_MS, MINUTE_MS, type SecretLife, startSecretLife } from '../support/secret-life.js';

let life: SecretLife;

beforeAll(async () => {
  life = await startSecretLife();
});
afterAll(() => life?.stop());

describe('a rotation that is to finish when the secrets before it are idle', () => {
  const finish = (app = life.core) => life.get(SecretEnds, app).finishRotations();

  it('ends them a day after their last use, everywhere, and says so', async () => {
    const { clientId, apiKey } = await life.core.createClient();
    const now = Date.now();
    life.at(now);
    const { previous, api_key } = await life.rotate(clientId, {
      expire_previous_in_seconds: 2_592_000,
      finish_when_idle: true,
    });
    const used = now + 5 * 3_600_000;
    await life
      .get(SecretUsesRepository)
      .record([{ secretId: previous[0]?.id ?? '', usedAt: new Date(used), address: '192.0.2.1', userAgent: null }]);
    expect([await life.statusOf(apiKey), await life.statusOf(apiKey, life.other)]).toEqual([200, 200]);
    for (const early of [now + DAY_MS, used + DAY_MS - 1]) {
      life.at(early);
      await finish();
      expect((await life.secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
    }
    life.at(used + DAY_MS);
    await Promise.all([finish(life.core), finish(life.other)]);
    expect((await life.secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(used + DAY_MS);
    expect([await life.statusOf(apiKey), await life.statusOf(apiKey, life.other)]).toEqual([401, 401]);
    expect(await life.statusOf(api_key)).toBe(200);
    expect(await life.eventsOf(previous[0]?.id ?? '')).toEqual([
      {
        action: 'secret.expire',
        actor_type: 'system',
        details: expect.objectContaining({ client_id: clientId, reason: 'idle' }),
      },
    ]);
    const [, current] = await life.secretsOf(clientId);
    expect(current?.expires_at).toBeNull();
  });

  it('does not count what they rested before it', async () => {
    const { clientId } = await life.core.createClient();
    const now = Date.now();
    const [row] = await life.secretsOf(clientId);
    await life
      .get(SecretUsesRepository)
      .record([{ secretId: row?.id ?? '', usedAt: new Date(now - 5 * DAY_MS), address: '192.0.2.1', userAgent: null }]);
    life.at(now);
    await life.rotate(clientId, { expire_previous_in_seconds: 2_592_000, finish_when_idle: true });
    life.at(now + DAY_MS - 1);
    await finish();
    expect((await life.secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
    life.at(now + DAY_MS);
    await finish();
    expect((await life.secretsOf(clientId))[0]?.expires_at?.getTime()).toBe(now + DAY_MS);
  });

  it('ends them with the overlap at the latest, and leaves alone what is not asked for', async () => {
    const [asked, unasked] = [await life.core.createClient(), await life.core.createClient()];
    const now = Date.now();
    life.at(now);
    await life.rotate(asked.clientId, { expire_previous_in_seconds: 60, finish_when_idle: true });
    await life.rotate(unasked.clientId, { expire_previous_in_seconds: 2_592_000 });
    life.at(now + 2 * DAY_MS);
    await finish();
    expect((await life.secretsOf(asked.clientId))[0]?.expires_at?.getTime()).toBe(now + MINUTE_MS);
    expect((await life.secretsOf(unasked.clientId))[0]?.expires_at?.getTime()).toBe(now + 30 * DAY_MS);
  });
});

describe('a secret that has ended', () => {
  it('is listed for thirty days and then deleted', async () => {
    const end = Date.UTC(2027, 0, 1);
    const { clientId } = await life.core.createClient({ secretExpiresAt: new Date(end) });
    const { clientId: lasting } = await life.core.createClient();
    const count = async () => [(await life.secretsOf(clientId)).length, (await life.secretsOf(lasting)).length];
    life.at(end + 30 * DAY_MS);
    await life.get(SecretEnds).removeEnded();
    expect(await count()).toEqual([1, 1]);
    life.at(end + 30 * DAY_MS + 1);
    await Promise.all([life.get(SecretEnds).removeEnded(), life.get(SecretEnds, life.other).removeEnded()]);
    expect(await count()).toEqual([0, 1]);
  });
});
