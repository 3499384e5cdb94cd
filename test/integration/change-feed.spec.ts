import type { Change } from '../../src/platform/replicas/change.js';
import { eventually } from '../support/eventually.js';
import { buildFeedReplica, type FeedReplica } from '../support/feed-replica.js';
import { FrozenClock } from '../support/frozen-clock.js';
import { insertClient } from '../support/insert-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const TOPIC = 'a topic';
const FIVE_MINUTES_MS = 300_000;

let database: TestDatabase;
let started: FeedReplica[];

beforeEach(async () => {
  database = await createTestDatabase();
  started = [];
});

afterEach(async () => {
  await Promise.all(started.map((replica) => replica.stop()));
  await database.drop();
});

/** A replica that lists what it heard. */
async function build(url = database.url, clock?: FrozenClock) {
  const replica = await buildFeedReplica({ DATABASE_URL: url }, clock);
  started.push(replica);
  const heard: Change[] = [];
  replica.feed.on(TOPIC, (change) => void heard.push(change));
  return Object.assign(replica, { heard });
}

/** The same, listed and listening. */
async function join(url?: string) {
  const replica = await build(url);
  await replica.feed.poll();
  return replica;
}

async function announce(subject = 'a subject', version: number | null = null, topic = TOPIC): Promise<string> {
  const [row] = await database.query<{ id: string }>('SELECT announce_change($1, $2, $3)::text AS id', [
    topic,
    subject,
    version,
  ]);
  return row?.id ?? '';
}

const listed = async () => (await database.query('SELECT id FROM replicas')).length;
const LINES = `FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'changes|replicas'`;

/** Ends the sessions the replicas listen on, and waits until they are gone. */
async function cutLines(): Promise<void> {
  await database.query(`SELECT pg_terminate_backend(pid) ${LINES}`);
  await eventually(async () => (await database.query(`SELECT 1 ${LINES}`)).length === 0);
}

/** A client made in one transaction, as the service makes it. */
async function makeClient(): Promise<string> {
  const { clientId } = await insertClient(database);
  await database.query('TRUNCATE changes');
  return clientId;
}

describe('the registry', () => {
  it('counts the replicas that beat, and one that left no more', async () => {
    const [one, two] = [await join(), await join()];
    await one.feed.poll();
    expect([one.registry.live, two.registry.live]).toEqual([2, 2]);
    await two.feed.onApplicationShutdown();
    await one.feed.poll();
    expect(one.registry.live).toBe(1);
    expect(await listed()).toBe(1);
  });

  it('does not count one that has not beaten for five seconds', async () => {
    const [one, two] = [await join(), await join()];
    await database.query(`UPDATE replicas SET beat_at = beat_at - interval '5 seconds' WHERE id = $1`, [
      two.registry.id,
    ]);
    await one.feed.poll();
    expect(one.registry.live).toBe(1);
    await two.feed.poll();
    await one.feed.poll();
    expect(one.registry.live).toBe(2);
  });

  it('gives a lease to who beats', async () => {
    const replica = await build();
    expect(replica.registry.hasLease).toBe(false);
    await replica.feed.poll();
    expect(replica.registry.hasLease).toBe(true);
    expect(replica.registry.silentMs).toBeLessThan(5_000);
  });

  it.each([-FIVE_MINUTES_MS, FIVE_MINUTES_MS])("takes PostgreSQL's time where its own is %d ms off", async (off) => {
    const replica = await build(database.url, new FrozenClock(Date.now() + off));
    await replica.feed.poll();
    const [row] = await database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    expect(Math.abs(replica.clock.now() - Number(row?.now))).toBeLessThan(2_000);
  });
});

describe('a change', () => {
  it('is heard by every replica, and confirmed by each, without a poll', async () => {
    const replicas = [await join(), await join(), await join()];
    const id = await announce('a client', 7);
    const [first] = replicas;
    await expect(first?.feed.receipt(id)).resolves.toEqual({ everywhere: true });
    for (const { heard } of replicas) expect(heard).toEqual([{ id, topic: TOPIC, subject: 'a client', version: '7' }]);
    for (const { feed } of replicas) expect(feed.stats).toMatchObject({ notified: 1, polled: 0 });
  });

  it('that was rolled back is not heard', async () => {
    const replica = await join();
    await database
      .query(`DO $$ BEGIN PERFORM announce_change('${TOPIC}', 'never', NULL); RAISE EXCEPTION 'no'; END $$`)
      .catch(() => undefined);
    await replica.feed.receipt(await announce('then'));
    expect(replica.heard.map(({ subject }) => subject)).toEqual(['then']);
  });

  it('is applied once, however it is heard', async () => {
    const replica = await join();
    await replica.feed.receipt(await announce());
    await replica.feed.poll();
    await replica.feed.poll();
    expect(replica.heard).toHaveLength(1);
  });

  it('of a topic that nobody here knows is confirmed all the same', async () => {
    const replica = await join();
    const id = await announce('x', null, 'a topic of a later release');
    await expect(replica.feed.receipt(id)).resolves.toEqual({ everywhere: true });
  });

  it('is found by the poll where the session that listened was lost', async () => {
    const replica = await join();
    await cutLines();
    const id = await announce();
    await eventually(() =>
      replica.feed.poll().then(
        () => true,
        () => false,
      ),
    );
    expect(replica.heard).toHaveLength(1);
    expect(replica.feed.stats.polled).toBe(1);
    await expect(replica.feed.receipt(id)).resolves.toEqual({ everywhere: true });
  });

  it('is heard again by a session opened anew', async () => {
    const replica = await join();
    await cutLines();
    await eventually(() =>
      replica.feed.poll().then(
        () => true,
        () => false,
      ),
    );
    await replica.feed.receipt(await announce());
    expect(replica.feed.stats).toMatchObject({ notified: 1, polled: 0 });
  });

  it('stays unconfirmed while it cannot be applied, and is tried again', async () => {
    const replica = await join();
    let broken = true;
    replica.feed.on(TOPIC, () => {
      if (broken) throw new Error('not now');
    });
    const id = await announce();
    await expect(replica.feed.receipt(id)).resolves.toMatchObject({ everywhere: false, replicas: 1 });
    broken = false;
    await replica.feed.poll();
    await expect(replica.feed.receipt(id)).resolves.toEqual({ everywhere: true });
    expect(replica.feed.stats.failures).toBeGreaterThan(0);
  });

  it('is tried again however long it could not be applied', async () => {
    const replica = await join();
    let broken = true;
    replica.feed.on(TOPIC, (change) => {
      if (broken) throw new Error('not now');
      replica.heard.push(change);
    });
    const id = await announce();
    await eventually(() => replica.feed.stats.failures > 0);
    await database.query(`UPDATE changes SET created_at = created_at - interval '2 minutes'`);
    await replica.feed.poll();
    broken = false;
    await replica.feed.poll();
    expect(replica.heard.map((change) => change.id)).toEqual([id]);
    await expect(replica.feed.receipt(id)).resolves.toEqual({ everywhere: true });
    await replica.feed.poll();
    expect(replica.heard).toHaveLength(1);
  });

  it('of a thousand that cannot be applied: everything is reloaded instead', async () => {
    const replica = await join();
    replica.feed.on(TOPIC, () => Promise.reject(new Error('not now')));
    let reloads = 0;
    replica.feed.onResync(() => void reloads++);
    await database.query(`SELECT announce_change($1, 'subject ' || n, n) FROM generate_series(1, 1000) AS n`, [TOPIC]);
    await eventually(() => replica.feed.stats.failures >= 1_000);
    await replica.feed.poll();
    expect(reloads).toBe(0);
    await replica.feed.poll();
    expect(reloads).toBe(1);
  });

  it('is not what anybody who may connect can notify: garbage, or the number of a change to come', async () => {
    const replica = await join();
    const [row] = await database.query<{ id: string }>(`SELECT max(id)::text AS id FROM changes`);
    const next = String(Number(row?.id ?? 0) + 1);
    const forged = { id: next, topic: 'x', subject: 'y', version: null };
    const notified = [
      'garbage',
      'null',
      '{}',
      JSON.stringify({ ...forged, id: 'x' }),
      JSON.stringify({ ...forged, id: '9'.repeat(19) }),
      JSON.stringify({ ...forged, version: 'x' }),
      JSON.stringify({ ...forged, subject: 1 }),
      JSON.stringify(forged),
    ];
    for (const text of notified) await database.query(`SELECT pg_notify('core_nest_changes', $1)`, [text]);
    await eventually(() => replica.feed.stats.notified === 1);
    expect(await database.query('SELECT 1 FROM change_receipts')).toEqual([]);
    const id = await announce();
    expect(id).toBe(next);
    await expect(replica.feed.receipt(id)).resolves.toEqual({ everywhere: true });
    expect(replica.heard.map((change) => change.id)).toEqual([id]);
  });

  it('of 200 at once reaches three replicas whole', async () => {
    const replicas = [await join(), await join(), await join()];
    const ids = await Promise.all(Array.from({ length: 200 }, (_, n) => announce(`subject ${n}`)));
    const receipts = await Promise.all(ids.map((id) => replicas[0]?.feed.receipt(id)));
    expect(receipts.every((receipt) => receipt?.everywhere)).toBe(true);
    for (const { heard } of replicas) expect(new Set(heard.map(({ id }) => id))).toEqual(new Set(ids));
  });
});

describe('a replica that cannot be told', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = await TcpProxy.start(database.url);
  });
  afterEach(() => proxy.stop());

  it('is counted, with the bound it set itself, and applies the change when it is back', async () => {
    const whole = await join();
    const cut = await join(proxy.through(database.url));
    proxy.blackHole();
    const id = await announce();
    await expect(whole.receipts.of(id, 'alone')).resolves.toEqual({
      everywhere: false,
      replicas: 1,
      boundedBySeconds: 960,
    });
    await proxy.heal();
    await eventually(
      () =>
        cut.feed.poll().then(
          () => true,
          () => false,
        ),
      10_000,
    );
    expect(cut.heard).toHaveLength(1);
    await expect(whole.receipts.of(id, 'stale')).resolves.toEqual({ everywhere: true });
  });

  it('is not waited for once it has stopped beating, and counted until its bound is over', async () => {
    const whole = await join();
    await database.query(
      `INSERT INTO replicas (id, alone_seconds, stale_seconds, beat_at)
       VALUES ('rep_gone', 60, 960, clock_timestamp() - interval '40 seconds')`,
    );
    const id = await announce();
    const before = performance.now();
    const [live, alone, stale] = [
      await whole.receipts.of(id, 'live'),
      await whole.receipts.of(id, 'alone'),
      await whole.receipts.of(id, 'stale'),
    ];
    expect(performance.now() - before).toBeLessThan(1_900);
    expect(live).toEqual({ everywhere: true });
    expect(alone).toEqual({ everywhere: false, replicas: 1, boundedBySeconds: 20 });
    expect(stale).toEqual({ everywhere: false, replicas: 1, boundedBySeconds: 920 });
  });

  it('because PostgreSQL is away is one at least', async () => {
    const cut = await join(proxy.through(database.url));
    const id = await announce();
    await proxy.refuse();
    await expect(cut.feed.receipt(id)).resolves.toMatchObject({ everywhere: false, replicas: 1 });
  });
});

describe('a replica that starts', () => {
  it('reloads, then applies the last day of the topics that ask for it', async () => {
    const since = await announce('before');
    await database.query(`UPDATE changes SET created_at = now() - interval '23 hours' WHERE id = $1`, [since]);
    await announce('long before');
    await database.query(`UPDATE changes SET created_at = now() - interval '25 hours' WHERE subject = 'long before'`);
    const replica = await build();
    const order: string[] = [];
    replica.feed.onResync(() => void order.push('reloaded'));
    replica.feed.on('replayed', ({ subject }) => void order.push(subject), { replay: true });
    await database.query(`UPDATE changes SET topic = 'replayed'`);
    await announce('not asked for');
    await replica.feed.poll();
    expect(order).toEqual(['reloaded', 'before']);
    expect(replica.heard).toEqual([]);
  });

  it('needs no change to confirm, and none to wait for', async () => {
    const replica = await join();
    await expect(replica.feed.receipt(null)).resolves.toEqual({ everywhere: true });
  });
});

describe('what the table of clients announces', () => {
  const announced = () =>
    database.query<Change>(`SELECT topic, subject, version FROM changes WHERE topic = 'client' ORDER BY id`);

  it('is not its making', async () => {
    await database.query(
      `WITH client AS (
         INSERT INTO clients (client_id, name, environment, tier, scopes, status)
         VALUES ('cn_live_0123456789AB', 'a', 'live', 'paid', '{}', 'active')
       )
       INSERT INTO client_secrets (id, client_id, hashed_secret, hint) VALUES ('s', 'cn_live_0123456789AB', 'h', 'h')`,
    );
    expect(await announced()).toEqual([]);
  });

  it('is every change of a client and its secrets, by whomever', async () => {
    const clientId = await makeClient();
    await database.query(`UPDATE clients SET status = 'disabled' WHERE client_id = $1`, [clientId]);
    await database.query(`UPDATE client_secrets SET expires_at = now() WHERE client_id = $1`, [clientId]);
    const [row] = await database.query<{ version: string }>('SELECT version FROM clients');
    const changes = await announced();
    expect(changes.map(({ subject }) => subject)).toEqual([clientId, clientId]);
    expect(changes.at(-1)?.version).toBe(row?.version);
  });

  it('is not that a secret was used', async () => {
    await makeClient();
    await database.query('UPDATE client_secrets SET last_used_at = now()');
    expect(await announced()).toEqual([]);
  });

  it('is a deletion, under a version above all before', async () => {
    const clientId = await makeClient();
    const [before] = await database.query<{ version: string }>('SELECT version FROM clients');
    await database.query('DELETE FROM clients');
    const [change] = await announced();
    expect(change?.subject).toBe(clientId);
    expect(BigInt(change?.version ?? 0)).toBeGreaterThan(BigInt(before?.version ?? 0));
  });

  it('is, of a table emptied at once, that every client changed', async () => {
    await insertClient(database);
    await database.query('TRUNCATE clients CASCADE');
    expect((await announced()).map(({ subject }) => subject)).toContain('*');
  });
});

it('what is of use to nobody any more is deleted', async () => {
  const replica = await join();
  const [old, young] = [await announce('old'), await announce('young')];
  await replica.feed.receipt(young);
  await database.query(`UPDATE changes SET created_at = now() - interval '25 hours' WHERE id = $1`, [old]);
  await database.query(`UPDATE change_receipts SET at = now() - interval '2 hours' WHERE change_id = $1`, [old]);
  await database.query(
    `INSERT INTO replicas (id, alone_seconds, stale_seconds, beat_at) VALUES ('rep_old', 1, 1, now() - interval '2 days')`,
  );
  await replica.repository.removeOld();
  expect((await database.query<{ subject: string }>('SELECT subject FROM changes')).map((row) => row.subject)).toEqual([
    'young',
  ]);
  expect(await database.query('SELECT 1 FROM change_receipts WHERE change_id = $1', [old])).toEqual([]);
  expect(await listed()).toBe(1);
});
