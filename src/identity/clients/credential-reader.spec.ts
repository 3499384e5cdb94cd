import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import { buildCredentialCheck, buildRecord, CLIENT_ID } from '../../../test/support/credential-fakes.js';
import { elapse, settle, stopTime } from '../../../test/support/stopped-time.js';
import type { CachedCredential } from './cached-credential.js';

const PATIENCE_MS = 500;
const REST_MS = 1_000;
const STALE_MS = 60_000 + 15 * 60_000;

const WITH_FALLBACK = true;
const WITHOUT_FALLBACK = false;

function buildReader() {
  const { reader, clients, registry, uses } = buildCredentialCheck();
  clients.records.set(CLIENT_ID, buildRecord());
  return { reader, clients, registry, uses };
}

/** What has become of a promise so far. */
function watch<T>(promise: Promise<T>): { value: T | 'pending' } {
  const watched: { value: T | 'pending' } = { value: 'pending' };
  void promise.then((value) => {
    watched.value = value;
  });
  return watched;
}

const never = () => new Promise<void>(() => undefined);

describe('CredentialReader', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it.each([WITH_FALLBACK, WITHOUT_FALLBACK])('gives what PostgreSQL has (fallback: %s)', async (hasFallback) => {
    const { reader, clients } = buildReader();
    await expect(reader.read(CLIENT_ID, hasFallback)).resolves.toEqual(buildRecord());
    clients.records.clear();
    await expect(reader.read(CLIENT_ID, hasFallback)).resolves.toBeNull();
  });

  it.each([WITH_FALLBACK, WITHOUT_FALLBACK])('says when PostgreSQL fails (fallback: %s)', async (hasFallback) => {
    const { reader, clients } = buildReader();
    clients.away = true;
    await expect(reader.read(CLIENT_ID, hasFallback)).resolves.toBe('unavailable');
  });

  it('reads once or twice for many who ask at once', async () => {
    const { reader, clients } = buildReader();
    await Promise.all(Array.from({ length: 100 }, () => reader.read(CLIENT_ID, WITHOUT_FALLBACK)));
    expect(clients.reads).toBe(2);
  });

  describe('that is kept waiting', () => {
    it('gives up after half a second where there is a fallback', async () => {
      const { reader, clients } = buildReader();
      clients.afterRead = never;
      const read = watch(reader.read(CLIENT_ID, WITH_FALLBACK));
      await elapse(PATIENCE_MS - 1);
      expect(read.value).toBe('pending');
      await elapse(1);
      expect(read.value).toBe('unavailable');
    });

    it('waits on where there is none', async () => {
      const { reader, clients } = buildReader();
      let goOn: () => void = () => undefined;
      clients.afterRead = () => new Promise((resolve) => (goOn = resolve));
      const read = watch(reader.read(CLIENT_ID, WITHOUT_FALLBACK));
      await elapse(10 * PATIENCE_MS);
      expect(read.value).toBe('pending');
      goOn();
      await settle();
      expect(read.value).toMatchObject({ clientId: CLIENT_ID });
    });

    it('takes an answer in the last millisecond, and leaves no timer behind', async () => {
      const { reader, clients } = buildReader();
      clients.afterRead = () => new Promise((resolve) => setTimeout(resolve, PATIENCE_MS - 1));
      const read = watch(reader.read(CLIENT_ID, WITH_FALLBACK));
      await elapse(PATIENCE_MS - 1);
      expect(read.value).toMatchObject({ clientId: CLIENT_ID });
      expect(jest.getTimerCount()).toBe(0);
    });
  });

  describe('after a failure', () => {
    async function failed() {
      const built = buildReader();
      built.clients.away = true;
      await built.reader.read(CLIENT_ID, WITHOUT_FALLBACK);
      built.clients.away = false;
      return built;
    }

    it('leaves PostgreSQL alone for a second where there is a fallback', async () => {
      const { reader, clients } = await failed();
      await elapse(REST_MS - 1);
      await expect(reader.read(CLIENT_ID, WITH_FALLBACK)).resolves.toBe('unavailable');
      expect(clients.reads).toBe(1);
      await elapse(1);
      await expect(reader.read(CLIENT_ID, WITH_FALLBACK)).resolves.toMatchObject({ clientId: CLIENT_ID });
    });

    it('asks at once where there is none', async () => {
      const { reader, clients } = await failed();
      await expect(reader.read(CLIENT_ID, WITHOUT_FALLBACK)).resolves.toMatchObject({ clientId: CLIENT_ID });
      expect(clients.reads).toBe(2);
    });

    it('rests after a wait in vain too', async () => {
      const { reader, clients } = buildReader();
      clients.afterRead = never;
      const read = reader.read(CLIENT_ID, WITH_FALLBACK);
      await elapse(PATIENCE_MS);
      await read;
      await elapse(REST_MS - 1);
      await expect(reader.read(CLIENT_ID, WITH_FALLBACK)).resolves.toBe('unavailable');
      expect(clients.reads).toBe(1);
    });

    it('does not rest after a success', async () => {
      const { reader, clients } = buildReader();
      await reader.read(CLIENT_ID, WITH_FALLBACK);
      await reader.read(CLIENT_ID, WITH_FALLBACK);
      expect(clients.reads).toBe(2);
    });
  });

  it('notes a use where uses are kept', () => {
    const { reader, uses } = buildReader();
    reader.noteUse('a', FREE_ATTEMPT);
    expect(uses).toEqual(['a']);
  });

  it('is in touch while the replica has its lease', () => {
    const { reader, registry } = buildReader();
    expect(reader.isInTouch).toBe(true);
    registry.hasLease = false;
    expect(reader.isInTouch).toBe(false);
  });

  it.each([
    [60_000, 'unconfirmed', true],
    [60_001, 'unconfirmed', false],
    [60_001, 'confirmed', true],
    [STALE_MS, 'confirmed', true],
    [STALE_MS + 1, 'confirmed', false],
  ])('of an entry on a replica silent for %d ms, %s: it may be served: %s', (silentMs, how, may) => {
    const { reader, registry } = buildReader();
    registry.silentMs = silentMs;
    const credential: CachedCredential = { ...buildRecord(), secrets: [], checkedAt: Date.now() };
    expect(reader.mayServeStale(credential, how === 'confirmed')).toBe(may);
  });

  it.each([
    [STALE_MS - 1, true],
    [STALE_MS, true],
    [STALE_MS + 1, false],
  ])('of an entry %d ms old: it may be served stale: %s', async (age, may) => {
    const { reader } = buildReader();
    const credential: CachedCredential = { ...buildRecord(), secrets: [], checkedAt: Date.now() };
    await elapse(age);
    expect(reader.mayServeStale(credential, true)).toBe(may);
  });
});
