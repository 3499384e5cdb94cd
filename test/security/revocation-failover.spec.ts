import { eventually } from '../support/eventually.js';
import { type Fleet, revokeOver, startFleet, statusOf } from '../support/fleet.js';
import { SentinelSet } from '../support/redis-sentinel.js';

let servers: SentinelSet;
let fleet: Fleet;
let looking: ReturnType<SentinelSet['connect']>;

beforeAll(async () => {
  servers = await SentinelSet.start({ sentinels: 1, downAfterMs: 500 });
  looking = servers.connect();
  fleet = await startFleet({ redis: { url: servers.url, client: looking, drop: async () => undefined } });
}, 60_000);
afterAll(async () => {
  looking?.disconnect();
  await fleet?.stop();
  await servers?.stop();
});

it('a failover of Redis to a replica that missed the revocation brings nothing back', async () => {
  await servers.becomesReadyToFailOver();
  const client = await fleet.members[0].createClient();
  for (const { url } of fleet.members) for (let n = 0; n < 2; n++) expect(await statusOf(url, client.apiKey)).toBe(200);
  const stale = servers.connectTo(servers.replica);
  const entryKey = `cn:{${client.clientId}}:credential`;
  await eventually(async () => (await stale.exists(entryKey)) === 1);

  servers.replica.pause();
  // What the master has sent it so far is all that it will ever read.
  const master = servers.connect();
  await master.call('CLIENT', 'KILL', 'TYPE', 'REPLICA');
  master.disconnect();
  expect((await revokeOver(fleet.members[0].url, fleet.admin, client.clientId)).status).toBe(204);
  await servers.master.kill();
  servers.replica.resume();
  await eventually(async () => /role:master/.test(await stale.info('replication').catch(() => '')), 20_000);
  expect(await stale.exists(entryKey)).toBe(1);

  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => statusOf(fleet.members[n % 3]?.url ?? '', client.apiKey)),
  );
  expect(new Set(answers)).toEqual(new Set([401]));
  stale.disconnect();
}, 60_000);
