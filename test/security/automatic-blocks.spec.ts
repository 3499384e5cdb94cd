import type { TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import {
  freshAddress,
  freshId,
  type GuessedApps,
  guess,
  present,
  startGuessed,
  UNKNOWN_ID,
} from '../support/guessers.js';
import { wrongKeyOf } from '../support/insert-client.js';

describe('an address that goes on guessing', () => {
  let fleet: GuessedApps;
  const app = (index = 0) => fleet.apps[index] as TestApp;
  const rules = (address: string) =>
    app().database.query<{ id: string; source: string; strikes: number; seconds: number; reason: string }>(
      `SELECT id, source, strikes, reason, round(extract(epoch FROM expires_at - updated_at))::int AS seconds
       FROM ip_rules WHERE source = 'automatic' AND cidr >>= $1::inet`,
      [address],
    );
  const statusFrom = async (address: string, key = wrongKeyOf(UNKNOWN_ID)) =>
    (await present(app(1), key, address)).status;
  const isBlocked = async (address: string) =>
    (await present(app(1), wrongKeyOf(UNKNOWN_ID), address)).code === 'address_blocked';
  const blocked = (address: string) => eventually(() => isBlocked(address));

  beforeAll(async () => {
    fleet = await startGuessed({
      TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8',
      AUTH_FAILURES_PER_ADDRESS: '10/36000',
      AUTO_BLOCK_FAILURES: '40/600',
      AUTO_BLOCK_CLIENT_IDS: '15/600',
    });
  }, 60_000);
  afterAll(() => fleet?.stop());

  it('is blocked on every replica, once, for a minute, its known clients as well', async () => {
    const address = freshAddress();
    const client = await app().createClient();
    expect((await present(app(), client.apiKey, address)).status).toBe(200);
    await guess(
      fleet,
      300,
      () => UNKNOWN_ID,
      () => address,
    );
    await blocked(address);
    for (const each of fleet.apps)
      await eventually(async () => (await present(each, client.apiKey, address)).code === 'address_blocked', 1_000);
    expect(await rules(address)).toEqual([
      {
        id: expect.stringMatching(/^ipr_/),
        source: 'automatic',
        strikes: 1,
        seconds: 60,
        reason: 'wrong or refused credentials: 40/600 s',
      },
    ]);
  });

  it('is blocked for trying many client ids', async () => {
    const address = freshAddress();
    await guess(fleet, 16, freshId, () => address);
    // Not by asking, which would be attempts as well.
    await eventually(async () => (await rules(address)).length > 0);
    await blocked(address);
    expect((await rules(address))[0]?.reason).toBe('client ids tried in vain: 15/600 s');
  });

  it('is blocked with its whole /64', async () => {
    await guess(
      fleet,
      60,
      () => UNKNOWN_ID,
      (index) => `2001:db8:0:2::${(index + 1).toString(16)}`,
    );
    await blocked('2001:db8:0:2:ffff::1');
    expect(await isBlocked('2001:db8:0:3::1')).toBe(false);
  });

  it('is blocked twice as long each time, a day at most, and anew after it was lifted', async () => {
    const address = freshAddress();
    const seconds: (number | undefined)[] = [];
    for (const strikes of [1, 2, 3, 30]) {
      await app().database.query(
        `UPDATE ip_rules SET strikes = $1::int - 1, expires_at = now() - interval '1 second' WHERE cidr = $2`,
        [strikes, address],
      );
      await eventually(async () => !(await isBlocked(address)));
      await guess(
        fleet,
        60,
        () => UNKNOWN_ID,
        () => address,
      );
      await blocked(address);
      const [rule] = await rules(address);
      expect(rule?.strikes).toBe(strikes);
      seconds.push(rule?.seconds);
    }
    expect(seconds).toEqual([60, 120, 240, 86_400]);

    const admin = await app().createClient({ scopes: ['ip_rules:read', 'ip_rules:write'] });
    const headers = { 'x-api-key': admin.apiKey, 'content-type': 'application/json' };
    const list = await fetch(`${app().url}/api/v1/ip-rules?source=automatic&address=${address}`, { headers });
    const { data } = (await list.json()) as { data: { id: string; created_by: string | null }[] };
    expect(data).toMatchObject([{ source: 'automatic', action: 'block', strikes: 30, created_by: null }]);
    const path = `${app().url}/api/v1/ip-rules/${data[0]?.id}`;
    const change = await fetch(path, { method: 'PATCH', headers, body: '{"reason":"mine"}' });
    expect([change.status, ((await change.json()) as { code: string }).code]).toEqual([409, 'ip_rule_automatic']);
    expect((await fetch(path, { method: 'DELETE', headers: { 'x-api-key': admin.apiKey } })).status).toBe(204);
    expect(await statusFrom(address)).toBe(429);
    await guess(
      fleet,
      60,
      () => UNKNOWN_ID,
      () => address,
    );
    await blocked(address);
    expect(await rules(address)).toMatchObject([{ strikes: 1, seconds: 60 }]);
  });

  it('is never blocked where a rule allows it, nor when it is a proxy or this machine', async () => {
    const allowed = freshAddress();
    const spared = [allowed, '10.1.2.3', '127.0.0.1'];
    await app().database.query(
      `INSERT INTO ip_rules (id, cidr, action, source) VALUES ('allowed', $1, 'allow', 'manual')`,
      [allowed],
    );
    const watched = freshAddress();
    for (const address of [...spared, watched])
      await guess(
        fleet,
        60,
        () => UNKNOWN_ID,
        () => address,
      );
    await blocked(watched);
    for (const address of spared) {
      expect(await rules(address)).toEqual([]);
      expect(await statusFrom(address)).toBe(429);
    }
  });

  it('is let in by a rule made after it was blocked', async () => {
    const address = freshAddress();
    await guess(
      fleet,
      60,
      () => UNKNOWN_ID,
      () => address,
    );
    await blocked(address);
    await app().database.query(
      `INSERT INTO ip_rules (id, cidr, action, source) VALUES ('range', network(set_masklen($1::inet, 24)), 'allow', 'manual')`,
      [address],
    );
    await eventually(async () => !(await isBlocked(address)));
    await app().database.query(`DELETE FROM ip_rules WHERE id = 'range'`);
    await blocked(address);
  });

  it('leaves a row in the audit log', async () => {
    const address = freshAddress();
    await guess(
      fleet,
      60,
      () => UNKNOWN_ID,
      () => address,
    );
    await blocked(address);
    const [rule] = await rules(address);
    const rows = await app().database.query(
      'SELECT action, actor_type, details FROM audit_logs WHERE subject_id = $1',
      [rule?.id],
    );
    expect(rows).toEqual([
      {
        action: 'ip_rule.create',
        actor_type: 'system',
        details: {
          cidr: `${address}/32`,
          effect: 'block',
          reason: rule?.reason,
          expires_at: expect.any(String),
          automatic: true,
        },
      },
    ]);
  });
});
