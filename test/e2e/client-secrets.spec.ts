import { generateClientId, parseApiKey } from '../../src/identity/clients/api-key.js';
import { startApp, type TestApp } from '../support/app.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests are about
  readonly body: any;
}

const DAY_MS = 86_400_000;

let core: TestApp;
let adminKey: string;

beforeAll(async () => {
  core = await startApp();
  adminKey = (await core.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(() => core?.stop());

async function call(method: string, path: string, body?: unknown, key = adminKey): Promise<Answer> {
  const response = await fetch(`${core.url}${path}`, {
    method,
    headers: { 'x-api-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const secretsOf = (clientId: string) => `/api/v1/clients/${clientId}/secrets`;
const rotate = (clientId: string, body: unknown, key?: string) => call('POST', secretsOf(clientId), body, key);
const show = async (clientId: string) => (await call('GET', `/api/v1/clients/${clientId}`)).body;
const accepts = async (key: string) => (await call('GET', '/api/v1/whoami', undefined, key)).status === 200;
const locations = ({ body }: Answer) => body.errors.map((error: { location: string }) => error.location);

describe('rotation', () => {
  it('answers 201 with a secret that works at once, beside the one before it', async () => {
    const { clientId, apiKey } = await core.createClient();
    expect(await accepts(apiKey)).toBe(true);
    const before = Date.now();
    const { status, headers, body } = await rotate(clientId, { expire_previous_in_seconds: 3_600 });
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      client_id: clientId,
      id: expect.stringMatching(/^sec_[0-9A-Za-z]{16}$/),
      client_secret: expect.stringMatching(/^[0-9A-Za-z]{36}$/),
      api_key: `${clientId}_${body.client_secret}`,
      hint: body.client_secret.slice(-4),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expires_at: null,
      previous: [{ id: expect.any(String), expires_at: expect.any(String) }],
    });
    const end = Date.parse(body.previous[0].expires_at);
    expect(end).toBeGreaterThan(before + 3_590_000);
    expect(end).toBeLessThan(Date.now() + 3_610_000);
    expect(parseApiKey(body.api_key)?.clientId).toBe(clientId);
    expect([await accepts(body.api_key), await accepts(apiKey)]).toEqual([true, true]);
    const { secrets } = await show(clientId);
    expect(secrets.map(({ id, expires_at }: { id: string; expires_at: string | null }) => [id, expires_at])).toEqual([
      [body.previous[0].id, body.previous[0].expires_at],
      [body.id, null],
    ]);
  });
});
