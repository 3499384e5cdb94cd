import { RefreshTokenCodec } from '../../src/identity/tokens/refresh-token-codec.js';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { post, refresh, signIn } from '../support/own-tokens.js';
import { buildUser } from '../support/people.js';

const OFFICE = 25;

let app: TestApp;

beforeAll(async () => {
  app = await startApp({ settings: { AUTH_FAILURES_PER_ADDRESS: '10/60', AUTO_BLOCK_CLIENT_IDS: '20/600' } });
});
afterAll(() => app?.stop());

it('an office whose sign-ins were all revoked is neither held up nor blocked for the tokens it still holds', async () => {
  const held = await Promise.all(
    Array.from({ length: OFFICE }, async () => (await signIn(app, await buildUser(app.database))).refresh_token),
  );
  const admin = await app.createClient({ scopes: ['admin'] });
  const { status } = await post(app, '/api/v1/tokens/revoke-all', '', { 'x-api-key': admin.apiKey });
  expect([202, 204]).toContain(status);
  for (const token of held) expect((await refresh(app, token)).status).toBe(401);
  const { apiKey } = await app.createClient();
  expect((await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } })).status).toBe(200);
});

it('whoever presents many that nobody was given is held up', async () => {
  const codec = app.app.get(RefreshTokenCodec, { strict: false });
  await eventually(async () => (await refresh(app, codec.random().reveal())).status === 429);
});
