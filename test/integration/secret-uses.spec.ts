import { Client as Session } from 'pg';
import { SecretUses } from '../../src/identity/clients/secret-uses.js';
import { SecretUsesRepository } from '../../src/identity/clients/secret-uses.repository.js';
import { MINUTE_MS, type SecretLife, startSecretLife } from '../support/secret-life.js';

let life: SecretLife;

beforeAll(async () => {
  life = await startSecretLife();
});
afterAll(() => life?.stop());

describe('uses of secrets', () => {
  let uses: SecretUsesRepository;
  beforeEach(() => {
    uses = life.get(SecretUsesRepository);
  });

  const useOf = (secretId: string, usedAt: Date, address = '192.0.2.1') => ({
    secretId,
    usedAt,
    address,
    userAgent: 'a',
  });
  const clientRow = async (clientId: string) =>
    (
      await life.core.database.query<{ version: string; updated_at: Date; last_used_at: Date | null }>(
        'SELECT version, updated_at, last_used_at FROM clients WHERE client_id = $1',
        [clientId],
      )
    )[0];

  it('of many secrets are noted at once, and no version changes', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => life.core.createClient()));
    const rows = await Promise.all(clients.map(({ clientId }) => life.secretsOf(clientId)));
    const before = await Promise.all(clients.map(({ clientId }) => clientRow(clientId)));
    const usedAt = new Date('2026-05-06T07:08:09.012Z');
    expect(await uses.record(rows.map(([row]) => useOf(row?.id ?? '', usedAt)))).toEqual([]);
    for (const [index, { clientId }] of clients.entries()) {
      expect(await life.secretsOf(clientId)).toMatchObject([{ last_used_at: usedAt, last_used_address: '192.0.2.1' }]);
      expect(await clientRow(clientId)).toEqual({ ...before[index], last_used_at: usedAt });
    }
  });

  it('are told to the client once an hour', async () => {
    const { clientId } = await life.core.createClient();
    const [row] = await life.secretsOf(clientId);
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
    const [held, free] = [await life.core.createClient(), await life.core.createClient()];
    const [[heldRow], [freeRow]] = [await life.secretsOf(held.clientId), await life.secretsOf(free.clientId)];
    const session = new Session({ connectionString: life.core.database.url });
    await session.connect();
    try {
      await session.query('BEGIN');
      await session.query('SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE', [free.clientId]);
      await session.query('UPDATE client_secrets SET hint = hint WHERE id = $1', [heldRow?.id]);
      const started = performance.now();
      const usedAt = new Date('2026-07-01T00:00:00.000Z');
      expect(await uses.record([heldRow, freeRow].map((row) => useOf(row?.id ?? '', usedAt)))).toEqual([heldRow?.id]);
      expect(performance.now() - started).toBeLessThan(1_000);
      expect(await life.secretsOf(free.clientId)).toMatchObject([{ last_used_at: usedAt }]);
      await session.query('COMMIT');
      expect(await uses.record([useOf(heldRow?.id ?? '', usedAt)])).toEqual([]);
      expect(await life.secretsOf(held.clientId)).toMatchObject([{ last_used_at: usedAt }]);
    } finally {
      await session.end();
    }
  });

  it('by every replica at once, with rotations between them, end in no deadlock', async () => {
    const { clientId } = await life.core.createClient();
    for (let number = 0; number < 3; number++) await life.rotate(clientId, { expire_previous_in_seconds: 3_600 });
    const ids = (await life.secretsOf(clientId)).map(({ id }) => id);
    const repositories = [uses, life.get(SecretUsesRepository, life.other)];
    const writes = Array.from({ length: 60 }, (_, index) => {
      const order = index % 2 ? ids : [...ids].reverse();
      return repositories[index % 2]?.record(order.map((id) => useOf(id, new Date(Date.now() + index))));
    });
    await Promise.all([...writes, life.rotate(clientId, { expire_previous_in_seconds: 60 })]);
  });

  it('reach the next reader of the credential: where secrets were last right from', async () => {
    const { clientId, apiKey } = await life.core.createClient();
    expect(await life.statusOf(apiKey)).toBe(200);
    await life.get(SecretUses).flush();
    expect(await life.secretsOf(clientId)).toMatchObject([{ last_used_address: '127.0.0.1' }]);
  });
});
