import { AccessTokensService } from '../../src/identity/tokens/access-tokens.service.js';
import { OUTLIVES_MS } from '../../src/identity/tokens/signing-key.js';
import { SigningKeyRotation } from '../../src/identity/tokens/signing-key-rotation.js';
import { SigningKeys } from '../../src/identity/tokens/signing-keys.service.js';
import { InvalidTokenError } from '../../src/kernel/identity-errors.js';
import { InvalidSettingsError } from '../../src/platform/config/load-settings.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { partsOf, SESSION_ID, USER_ID } from '../support/token-mint.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let database: TestDatabase;
let toPostgres: TcpProxy;
let replicas: TestApp[];

beforeEach(async () => {
  database = await createTestDatabase();
  toPostgres = await TcpProxy.start(database.url);
  replicas = [];
});

afterEach(async () => {
  jest.restoreAllMocks();
  await toPostgres.heal();
  await Promise.all(replicas.map((replica) => replica.stop()));
  await toPostgres.stop();
  await database.drop();
});

async function start(settings: Parameters<typeof startApp>[0] = {}): Promise<TestApp> {
  const replica = await startApp({ database, redis: null, ...settings });
  replicas.push(replica);
  return replica;
}

function of<T>(replica: TestApp, type: abstract new (...args: never[]) => T): T {
  return replica.app.get(type, { strict: false });
}

interface KeyRow {
  kid: string;
  sealed_private_key: string;
  not_before: Date;
  retires_at: Date | null;
}

function rows(): Promise<KeyRow[]> {
  return database.query<KeyRow>('SELECT * FROM signing_keys ORDER BY not_before');
}

function tokenOf(replica: TestApp): string {
  const tokens = of(replica, AccessTokensService);
  const now = of(replica, DatabaseClock).now();
  const content = { sub: USER_ID, clientId: 'core-nest', epoch: '0.0', sessionId: SESSION_ID, authTime: now, amr: [] };
  return tokens.sign({ ...content, expiresAt: now + 600_000 }).token.reveal();
}

const kidOf = (token: string) => partsOf(token).header.kid;

/** How far each replica's time was moved on. */
const moved = new Map<DatabaseClock, number>();

/** Moves the time of these replicas on. */
function later(milliseconds: number, ...members: TestApp[]): void {
  for (const replica of members) {
    const clock = of(replica, DatabaseClock);
    if (!moved.has(clock)) {
      const now = clock.now.bind(clock);
      jest.spyOn(clock, 'now').mockImplementation(() => now() + (moved.get(clock) ?? 0));
    }
    moved.set(clock, (moved.get(clock) ?? 0) + milliseconds);
  }
}

async function publishedBy({ url }: TestApp): Promise<string[]> {
  const response = await fetch(`${url}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid);
}

describe('the first key', () => {
  it('is made once by replicas that start at the same time, and signs at once on all of them', async () => {
    const [one, two, three] = await Promise.all([start(), start(), start()]);
    const stored = await rows();
    expect(stored.length).toBe(1);
    for (const signer of [one, two, three])
      for (const reader of [one, two, three])
        expect(of(reader, AccessTokensService).read(tokenOf(signer)).sub).toBe(USER_ID);
  });

  it('lies in PostgreSQL sealed, and is published without its private part', async () => {
    const replica = await start();
    const [row] = await rows();
    const { d } = of(replica, SigningKeys).signer().privateKey.export({ format: 'jwk' });
    expect(JSON.stringify(row)).not.toContain(String(d));
    expect(row?.sealed_private_key).toMatch(/^a1\.[\w-]{8}\.[\w-]+$/);
    const response = await fetch(`${replica.url}/.well-known/jwks.json`);
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    const jwk = { kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String), use: 'sig', alg: 'ES256' };
    expect(await response.json()).toEqual({ keys: [{ ...jwk, kid: row?.kid }] });
    const [audited] = await database.query(`SELECT * FROM audit_logs WHERE action = 'signing_key.create'`);
    expect(audited).toMatchObject({ subject_type: 'signing_key', subject_id: row?.kid, actor_type: 'system' });
  });

  it('is kept over a restart', async () => {
    const first = await start();
    const token = tokenOf(first);
    await replicas.pop()?.stop();
    expect(of(await start(), AccessTokensService).read(token).sub).toBe(USER_ID);
    expect((await rows()).length).toBe(1);
  });
});

describe('rotation', () => {
  it('makes the next key an hour before it signs, once however many look, and keeps the old until its last token has ended', async () => {
    const [one, two] = [await start(), await start()];
    const everyone = [one, two];
    const rotateAll = () =>
      Promise.all(
        Array.from({ length: 20 }, (_, index) => of(everyone[index % 2] as TestApp, SigningKeyRotation).rotate()),
      );
    const [first] = await rows();
    const old = tokenOf(one);

    later(30 * DAY_MS - HOUR_MS - 60_000, one, two);
    await rotateAll();
    expect((await rows()).length).toBe(1);

    later(60_000, one, two);
    await rotateAll();
    const [, second] = await rows();
    expect((await rows()).length).toBe(2);
    const life = (second?.not_before.getTime() ?? 0) - (first?.not_before.getTime() ?? 0);
    expect(life).toBeGreaterThanOrEqual(30 * DAY_MS);
    expect(life).toBeLessThan(30 * DAY_MS + 10_000);
    expect((await rows())[0]?.retires_at).toEqual(second?.not_before);
    for (const replica of everyone) {
      await eventually(async () => (await publishedBy(replica)).length === 2);
      expect(kidOf(tokenOf(replica))).toBe(first?.kid);
    }

    later(HOUR_MS - 10_000, one, two);
    const last = tokenOf(one);
    expect(kidOf(last)).toBe(first?.kid);
    later(20_000, one, two);
    for (const replica of everyone) {
      expect(kidOf(tokenOf(replica))).toBe(second?.kid);
      expect(of(replica, AccessTokensService).read(last).sub).toBe(USER_ID);
      expect(() => of(replica, AccessTokensService).read(old)).toThrow(InvalidTokenError);
    }

    later(OUTLIVES_MS, one, two);
    expect(await publishedBy(one)).toEqual([second?.kid]);
    await rotateAll();
    expect((await rows()).map(({ kid }) => kid)).toEqual([second?.kid]);
    expect((await database.query(`SELECT * FROM audit_logs WHERE action = 'signing_key.remove'`)).length).toBe(1);
  });

  it('comes late where nobody looked in time, and is published an hour before it signs all the same', async () => {
    const replica = await start();
    const [first] = await rows();
    later(40 * DAY_MS, replica);
    expect(kidOf(tokenOf(replica))).toBe(first?.kid);
    await of(replica, SigningKeyRotation).rotate();
    const [, second] = await rows();
    const ahead = (second?.not_before.getTime() ?? 0) - of(replica, DatabaseClock).now();
    expect(ahead).toBeGreaterThan(HOUR_MS - 10_000);
    await eventually(async () => (await publishedBy(replica)).length === 2);
    expect(kidOf(tokenOf(replica))).toBe(first?.kid);
  });
});

describe('a key removed by hand', () => {
  it('is refused by every replica at once, and another one signs', async () => {
    const [one, two] = [await start(), await start()];
    const token = tokenOf(one);
    expect(of(two, AccessTokensService).read(token).sub).toBe(USER_ID);
    await database.query('DELETE FROM signing_keys');
    for (const replica of [one, two]) {
      await eventually(() => of(replica, SigningKeys).verifier(String(kidOf(token))) === null);
      expect(() => of(replica, AccessTokensService).read(token)).toThrow();
    }
    await eventually(() => !of(one, SigningKeys).isEmpty && !of(two, SigningKeys).isEmpty);
    for (const replica of [one, two])
      expect(() => of(replica, AccessTokensService).read(token)).toThrow(InvalidTokenError);
    expect(of(two, AccessTokensService).read(tokenOf(one)).sub).toBe(USER_ID);
    expect((await rows()).length).toBe(1);
  });
});

describe('without PostgreSQL', () => {
  it('the keys in memory sign and verify', async () => {
    const replica = await start({ settings: { DATABASE_URL: toPostgres.through(database.url) } });
    const token = tokenOf(replica);
    await toPostgres.refuse();
    await expect(of(replica, SigningKeys).load()).rejects.toThrow();
    expect(of(replica, AccessTokensService).read(token).sub).toBe(USER_ID);
    expect(of(replica, AccessTokensService).read(tokenOf(replica)).sub).toBe(USER_ID);
    expect((await publishedBy(replica)).length).toBe(1);
  });
});

describe('another MASTER_KEY', () => {
  const other = { settings: { MASTER_KEY: 'not the master key the keys were made under' } };

  it('ends the start with a clear word, and no key is made', async () => {
    await start();
    const before = await rows();
    const started = start(other);
    await expect(started).rejects.toThrow(InvalidSettingsError);
    await expect(started).rejects.toThrow(/MASTER_KEY: does not open the signing keys/);
    expect(await rows()).toEqual(before);
  });

  it('makes no key later either, and takes none over', async () => {
    const replica = await start();
    const [kept] = await rows();
    const seal = kept?.sealed_private_key ?? '';
    await database.query('UPDATE signing_keys SET sealed_private_key = $1', [
      `${seal.slice(0, 3)}AAAAAAAA${seal.slice(11)}`,
    ]);
    await expect(of(replica, SigningKeyRotation).rotate()).rejects.toThrow(InvalidSettingsError);
    expect((await rows()).length).toBe(1);
  });

  it('starts again once the keys are gone', async () => {
    await start();
    await replicas.pop()?.stop();
    await database.query('DELETE FROM signing_keys');
    const replica = await start(other);
    expect(of(replica, AccessTokensService).read(tokenOf(replica)).sub).toBe(USER_ID);
  });
});
