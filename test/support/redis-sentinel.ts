import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { freePort } from '../../src/platform/database/free-port.js';
import { eventually } from './eventually.js';
import { RedisProcess } from './redis-process.js';
import { knowAddresses, type RedisDeployment } from './redis-shape.js';

const MASTER_NAME = 'core-nest';

interface SentinelOptions {
  readonly sentinels?: number;
  /** After so many milliseconds without an answer a server counts as away. */
  readonly downAfterMs?: number;
  /** Asked for by Sentinels and servers, each their own. */
  readonly passwords?: { readonly server: string; readonly sentinel: string };
  /** Directives with the certificates that Sentinels, servers and clients are spoken to with. */
  readonly tls?: Readonly<Record<string, string>>;
}

/** A master, its replica, and the Sentinels that watch over the two and know of each other from the start. */
export class SentinelSet implements RedisDeployment {
  private constructor(
    readonly master: RedisProcess,
    readonly replica: RedisProcess,
    readonly sentinels: readonly RedisProcess[],
    private readonly passwords: SentinelOptions['passwords'],
    private readonly scheme: 'redis' | 'rediss',
  ) {
    knowAddresses(this.url, this.addresses);
  }

  static async start({
    sentinels = 1,
    downAfterMs = 60_000,
    passwords,
    tls,
  }: SentinelOptions = {}): Promise<SentinelSet> {
    const secured: Record<string, string> = {
      ...(passwords && { requirepass: passwords.server, masterauth: passwords.server }),
      ...(tls && { ...tls, 'tls-replication': 'yes' }),
    };
    const overTls = tls !== undefined;
    const quick = { 'repl-diskless-sync-delay': '0', 'repl-ping-replica-period': '1' };
    const master = await RedisProcess.start(() => ({ tls: overTls, directives: { ...quick, ...secured } }));
    const replica = await RedisProcess.start(() => ({
      tls: overTls,
      directives: { ...quick, ...secured, replicaof: `127.0.0.1 ${master.port}` },
    }));
    const ports = await Promise.all(Array.from({ length: sentinels }, () => freePort()));
    const ids = ports.map(() => randomBytes(20).toString('hex'));
    const watchers = await Promise.all(
      ports.map((port, self) =>
        RedisProcess.startAt(port, {
          sentinel: true,
          tls: overTls,
          directives: {
            ...(passwords && { requirepass: passwords.sentinel }),
            ...(tls && { ...tls, 'tls-replication': 'yes' }),
            sentinel: [
              `myid ${ids[self]}`,
              `monitor ${MASTER_NAME} 127.0.0.1 ${master.port} ${Math.floor(sentinels / 2) + 1}`,
              `down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
              `failover-timeout ${MASTER_NAME} 3000`,
              ...(passwords === undefined
                ? []
                : [`auth-pass ${MASTER_NAME} ${passwords.server}`, `sentinel-pass ${passwords.sentinel}`]),
              `known-replica ${MASTER_NAME} 127.0.0.1 ${replica.port}`,
              ...ports.flatMap((other, index) =>
                index === self ? [] : [`known-sentinel ${MASTER_NAME} 127.0.0.1 ${other} ${ids[index]}`],
              ),
            ],
          },
        }),
      ),
    );
    const up = watchers.filter((one) => one !== null);
    const set = new SentinelSet(master, replica, up, passwords, overTls ? 'rediss' : 'redis');
    if (up.length < sentinels) {
      await set.stop();
      throw new Error('A Sentinel did not start.');
    }
    return set;
  }

  get url(): string {
    const account = this.passwords === undefined ? '' : `:${encodeURIComponent(this.passwords.server)}@`;
    return `${this.scheme}+sentinel://${account}${this.sentinels.map(({ address }) => address).join(',')}/${MASTER_NAME}`;
  }

  get addresses(): readonly string[] {
    return [...this.sentinels, this.master, this.replica].map(({ address }) => address);
  }

  /** To the server that was the master at the start. */
  connect(): Redis {
    return this.connectTo(this.master);
  }

  connectTo({ port }: RedisProcess): Redis {
    const password = this.passwords?.server;
    return new Redis(port, '127.0.0.1', {
      retryStrategy: () => 50,
      ...(password === undefined ? {} : { password }),
    }).on('error', () => undefined);
  }

  /** Waits until the Sentinels could elect the replica, which has all that the master has. */
  async becomesReadyToFailOver(): Promise<void> {
    const master = this.connect();
    await eventually(async () => /slave0:.*state=online/.test(await master.info('replication')), 10_000);
    const [written] = await Promise.all([master.wait(1, 5_000), master.set('written', '1')]);
    if (written < 0) throw new Error('The replica does not follow.');
    master.disconnect();
    for (const { port } of this.sentinels) {
      const sentinel = new Redis(port, '127.0.0.1', { password: this.passwords?.sentinel ?? '', retryStrategy: null });
      await eventually(async () => {
        const [replicas, quorum] = await Promise.all([
          sentinel.call('SENTINEL', 'REPLICAS', MASTER_NAME),
          sentinel.call('SENTINEL', 'CKQUORUM', MASTER_NAME).catch(() => null),
        ]);
        const [fields] = replicas as string[][];
        const link = fields?.[fields.indexOf('master-link-status') + 1];
        return quorum !== null && link === 'ok';
      }, 15_000);
      sentinel.disconnect();
    }
  }

  /** Where the Sentinels say the master is. */
  async elected(): Promise<string> {
    const [{ port } = this.master] = this.sentinels;
    const sentinel = new Redis(port, '127.0.0.1', { password: this.passwords?.sentinel ?? '' });
    const answer = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME);
    sentinel.disconnect();
    return (answer as string[]).join(':');
  }

  async kill(): Promise<void> {
    await Promise.all([this.replica.kill(), this.master.kill()]);
  }

  pause(): void {
    for (const server of [this.replica, this.master]) server.pause();
  }

  resume(): void {
    for (const server of [this.master, this.replica]) server.resume();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.master.restart();
    await this.replica.restart();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, this.replica, this.master].map((server) => server.stop()));
  }
}
