import { ExpiredTokens } from '../../src/identity/tokens/expired-tokens.service.js';
import { startApp, type TestApp } from '../support/app.js';
import { clientToken, post, refresh, signIn, statusWith } from '../support/own-tokens.js';
import { buildUser } from '../support/people.js';

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ redis: null });
});

afterAll(() => app.stop());

async function count(table: string): Promise<number> {
  const [row] = await app.database.query<{ count: string }>(`SELECT count(*) FROM ${table}`);
  return Number(row?.count);
}

const remove = () => app.app.get(ExpiredTokens, { strict: false }).remove();

it('forgets refresh tokens and families that have ended by themselves, a minute later, and no others', async () => {
  const [kept, gone] = [
    await signIn(app, await buildUser(app.database)),
    await signIn(app, await buildUser(app.database)),
  ];
  const { body } = await refresh(app, kept.refresh_token);
  await app.database.query(
    `UPDATE refresh_tokens SET expires_at = now() - interval '59 seconds' WHERE family_id IN
       (SELECT id FROM refresh_families WHERE session_id = $1)`,
    [gone.session_id],
  );
  await remove();
  expect(await count('refresh_tokens')).toBe(3);
  await app.database.query(
    `UPDATE refresh_tokens SET expires_at = expires_at - interval '2 seconds' WHERE expires_at < now()`,
  );
  await remove();
  expect(await count('refresh_tokens')).toBe(2);
  expect(await count('refresh_families')).toBe(2);
  await app.database.query(
    `UPDATE refresh_families SET expires_at = now() - interval '61 seconds' WHERE session_id = $1`,
    [gone.session_id],
  );
  await remove();
  expect(await count('refresh_families')).toBe(1);
  expect((await refresh(app, body.refresh_token)).status).toBe(200);
});

it('goes through any number of them', async () => {
  const { session_id } = await signIn(app, await buildUser(app.database));
  await app.database.query(
    `INSERT INTO refresh_tokens (hash, family_id, expires_at)
     SELECT 'old' || n, family.id, now() - interval '1 hour'
     FROM refresh_families AS family, generate_series(1, 12000) AS n WHERE family.session_id = $1`,
    [session_id],
  );
  await app.database.query(
    `INSERT INTO revoked_tokens (jti, expires_at) SELECT 'old' || n, now() - interval '1 hour' FROM generate_series(1, 12000) AS n`,
  );
  const before = await count('refresh_tokens');
  await remove();
  expect(await count('refresh_tokens')).toBe(before - 12_000);
  expect(await count('revoked_tokens')).toBe(0);
});

it('forgets a revoked token when it would have ended by itself, and not before', async () => {
  const client = await app.createClient();
  const token = await clientToken(app, client);
  await post(app, '/api/v1/auth/revoke', { token }, { 'x-api-key': client.apiKey });
  await remove();
  expect(await count('revoked_tokens')).toBe(1);
  expect(await statusWith(app, token)).toBe(401);
  await app.database.query(`UPDATE revoked_tokens SET expires_at = now() - interval '61 seconds'`);
  await remove();
  expect(await count('revoked_tokens')).toBe(0);
});
