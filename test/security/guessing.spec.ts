import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import {
  type Answer,
  freshAddress,
  freshId,
  type GuessedApps,
  guess,
  present,
  startGuessed,
  UNKNOWN_ID,
} from '../support/guessers.js';

import { type InsertedClient, wrongKeyOf } from '../support/insert-client.js';
import { RedisServer } from '../support/redis-server.js';

describe('a budget of ten wrong secrets an address, and thirty a client id', () => {
  let fleet: GuessedApps;
  let client: InsertedClient;
  let unknownId: string;
  const app = (index = 0) => fleet.apps[index] as TestApp;

  beforeAll(async () => {
    fleet = await startGuessed({ AUTH_FAILURES_PER_ADDRESS: '10/36000', AUTH_FAILURES_PER_CLIENT: '30/36000' });
  }, 60_000);
  beforeEach(async () => {
    client = await app().createClient();
    unknownId = freshId();
    fleet.hashes();
  });
  afterAll(() => fleet?.stop());

  it.each([
    [
      'an IPv4 address',
      () => {
        const address = freshAddress();
        return () => address;
      },
    ],
    ['the addresses of one IPv6 /64', () => (index: number) => `2001:db8:0:1::${(index + 1).toString(16)}`],
    [
      'an IPv4 address, spelt in two ways',
      () => {
        const address = freshAddress();
        return (index: number) => (index % 2 ? address : `[::ffff:${address}]:80`);
      },
    ],
  ])('hashes ten of three hundred at once from %s', async (_name, make) => {
    const ids = (index: number) => (index % 2 ? client.clientId : freshId());
    const { counts } = await guess(fleet, 300, ids, make());
    expect(counts).toEqual({ 401: 10, 429: 290 });
    expect(fleet.hashes()).toBe(10);
  });

  it('hashes thirty of three hundred at once on one client id from as many addresses', async () => {
    const { counts } = await guess(fleet, 300, () => client.clientId, freshAddress);
    expect(counts).toEqual({ 401: 30, 429: 270 });
    expect(fleet.hashes()).toBe(30);
  });

  it('hashes nothing that cannot be a key, and takes nothing for it', async () => {
    const address = freshAddress();
    for (let index = 0; index < 50; index += 1)
      expect((await present(app(), `${unknownId}_nonsense`, address)).status).toBe(401);
    expect(fleet.hashes()).toBe(0);
    expect((await present(app(), wrongKeyOf(unknownId), address)).status).toBe(401);
  });

  it('takes nothing for right secrets, however many clients come at once from one address', async () => {
    const address = freshAddress();
    const clients = await Promise.all(Array.from({ length: 60 }, () => app().createClient()));
    const answers = await Promise.all(clients.map(({ apiKey }, index) => present(app(index % 3), apiKey, address)));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const { counts } = await guess(
      fleet,
      30,
      () => unknownId,
      () => address,
    );
    expect(counts).toEqual({ 401: 10, 429: 20 });
  });

  it('hashes a key once that hundreds present at once for the first time', async () => {
    const address = freshAddress();
    const answers = await Promise.all(Array.from({ length: 200 }, () => present(app(), client.apiKey, address)));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(fleet.hashes()).toBe(1);
  });

  it('answers alike for a client that exists and one that does not', async () => {
    const refusals: Answer[][] = [];
    for (const id of [client.clientId, unknownId, freshId()]) {
      const address = freshAddress();
      const answers: Answer[] = [];
      for (let index = 0; index < 12; index += 1) answers.push(await present(app(), wrongKeyOf(id), address));
      refusals.push(answers);
    }
    const [known, ...others] = refusals;
    expect(known?.map(({ status }) => status)).toEqual([...Array(10).fill(401), 429, 429]);
    for (const other of others) expect(other).toEqual(known);
    const refused = known?.at(-1);
    expect(refused?.code).toBe('rate_limited');
    expect(refused?.text).toContain('Too many wrong credentials were tried from your address or for this client.');
    expect(Number(refused?.retryAfter)).toBeGreaterThan(3_000);
    expect(Number(refused?.retryAfter)).toBeLessThanOrEqual(3_600);
  });

  it('speaks the dialect of each surface', async () => {
    const address = freshAddress();
    await guess(
      fleet,
      12,
      () => unknownId,
      () => address,
    );
    const bodies = await Promise.all(
      ['/v1/models', '/v1/messages', '/v1beta/models/a:generateContent'].map(async (path) => {
        const method = path === '/v1/models' ? 'GET' : 'POST';
        const headers = { 'x-api-key': wrongKeyOf(unknownId), 'x-forwarded-for': address };
        const response = await fetch(`${app().url}${path}`, { method, headers });
        return { status: response.status, body: await response.json() };
      }),
    );
    expect(bodies).toEqual([
      { status: 429, body: { error: expect.objectContaining({ code: 'rate_limit_exceeded' }) } },
      { status: 429, body: expect.objectContaining({ error: expect.objectContaining({ type: 'rate_limit_error' }) }) },
      { status: 429, body: { error: expect.objectContaining({ status: 'RESOURCE_EXHAUSTED' }) } },
    ]);
  });

  it('is not spent by addresses that a caller makes up', async () => {
    const address = freshAddress();
    const { counts } = await guess(
      fleet,
      60,
      () => unknownId,
      (index) => `198.51.100.${index}, ${address}`,
    );
    expect(counts).toEqual({ 401: 10, 429: 50 });
  });

  it('does not hold up a key that is known, from the very address that guesses', async () => {
    const address = freshAddress();
    for (const each of fleet.apps) expect((await present(each, client.apiKey, address)).status).toBe(200);
    await guess(
      fleet,
      100,
      () => client.clientId,
      () => address,
    );
    fleet.hashes();
    for (const each of fleet.apps) expect((await present(each, client.apiKey, address)).status).toBe(200);
    const late = await app().replica();
    expect((await present(late, client.apiKey, address)).status).toBe(200);
    await late.stop();
    expect(fleet.hashes()).toBe(0);
  });

  it('does not lock the owner of a client id out where its secret was right before', async () => {
    const home = freshAddress();
    await app().database.query('UPDATE client_secrets SET last_used_address = $1 WHERE client_id = $2', [
      home,
      client.clientId,
    ]);
    await guess(fleet, 100, () => client.clientId, freshAddress);
    const elsewhere = await present(app(), client.apiKey, freshAddress());
    expect([elsewhere.status, elsewhere.code]).toEqual([429, 'rate_limited']);
    expect((await present(app(), client.apiKey, home)).status).toBe(200);
    expect((await present(app(), client.apiKey, freshAddress())).status).toBe(200);
  });

  it('counts a caller that does not wait for the answer', async () => {
    const address = freshAddress();
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const headers = { 'x-api-key': wrongKeyOf(unknownId), 'x-forwarded-for': address };
        const signal = AbortSignal.timeout(1 + (index % 5));
        await fetch(`${app(index % 3).url}/api/v1/whoami`, { headers, signal }).catch(() => undefined);
      }),
    );
    const { counts } = await guess(
      fleet,
      30,
      () => unknownId,
      () => address,
    );
    expect(counts[401] ?? 0).toBeLessThanOrEqual(10);
    expect(fleet.hashes()).toBeLessThanOrEqual(10);
  });

  it('is counted, without any address', async () => {
    const address = freshAddress();
    await guess(
      fleet,
      30,
      () => unknownId,
      () => address,
    );
    const watcher = await app().createClient({ scopes: ['metrics:read'] });
    const response = await fetch(`${app().url}/metrics`, { headers: { 'x-api-key': watcher.apiKey } });
    const text = await response.text();
    expect(text).toMatch(/^core_nest_auth_failures_total [1-9]\d*$/m);
    expect(text).toMatch(/^core_nest_auth_attempts_refused_total\{budget="address"\} [1-9]\d*$/m);
    expect(text).toMatch(/^core_nest_ip_rules\{action="block"\} 0$/m);
    expect(text).not.toContain('203.0.1');
  });
});

describe('the budgets without what they stand on', () => {
  it('are divided among the replicas while Redis is away', async () => {
    const server = await RedisServer.start();
    const settings = { REDIS_URL: server.url, AUTH_FAILURES_PER_ADDRESS: '12/36000' };
    const fleet = await startGuessed(settings, null);
    try {
      await server.kill();
      fleet.hashes();
      // The registry hears of the other replicas with the next beat.
      await eventually(async () => {
        const address = freshAddress();
        const { counts } = await guess(
          fleet,
          90,
          () => UNKNOWN_ID,
          () => address,
        );
        return counts[401] === 12;
      });
    } finally {
      await fleet.stop();
      await server.stop();
    }
  }, 60_000);

  it('are this process alone where there is no Redis', async () => {
    const one = await startApp({
      redis: null,
      settings: { TRUSTED_PROXIES: '127.0.0.1', AUTH_FAILURES_PER_ADDRESS: '10/36000' },
    });
    try {
      const fleet = { apps: [one], hashes: () => 0, stop: one.stop };
      const address = freshAddress();
      const { counts } = await guess(
        fleet,
        100,
        () => UNKNOWN_ID,
        () => address,
      );
      expect(counts).toEqual({ 401: 10, 429: 90 });
    } finally {
      await one.stop();
    }
  });

  it('can be switched off', async () => {
    const one = await startApp({
      settings: { AUTH_FAILURES_PER_ADDRESS: 'off', AUTH_FAILURES_PER_CLIENT: 'off' },
    });
    try {
      const { counts } = await guess(
        { apps: [one], hashes: () => 0, stop: one.stop },
        50,
        () => UNKNOWN_ID,
        freshAddress,
      );
      expect(counts).toEqual({ 401: 50 });
    } finally {
      await one.stop();
    }
  });
});
