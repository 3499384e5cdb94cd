import request, { type Response } from 'supertest';
import { startApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';

const QUESTION = { model: 'core-nest/echo', messages: [{ role: 'user', content: 'Hello there' }] };

describe('one request, all the way', () => {
  let testApp: TestApp;
  let adminKey: string;

  beforeAll(async () => {
    testApp = await startApp({ settings: { RATE_LIMITS: 'general.free=3/3600' } });
    adminKey = (await testApp.createClient({ scopes: ['admin'] })).apiKey;
  });
  afterAll(() => testApp.stop());

  const agent = () => request(testApp.app.getHttpServer());
  const asAdmin = (path: string) => agent().get(path).set('X-API-Key', adminKey);
  const logOf = async (response: Response) => {
    let row: Record<string, unknown> | undefined;
    await eventually(async () => {
      const { body } = await asAdmin(`/api/v1/api-logs?request_id=${response.headers['x-request-id']}`).expect(200);
      row = body.data[0];
      return row !== undefined;
    });
    return row;
  };

  it('an administrator makes a client, which is identified, authorised, throttled, answered and logged, then revoked', async () => {
    const created = await agent()
      .post('/api/v1/clients')
      .set('Authorization', `Bearer ${adminKey}`)
      .send({ name: 'billing', tier: 'free' })
      .expect(201);
    const { client_id, client_secret, api_key } = created.body;
    expect(api_key).toBe(`${client_id}_${client_secret}`);

    const chat = () => agent().post('/v1/chat/completions').auth(api_key, { type: 'bearer' }).send(QUESTION);
    const answered = await chat().expect(200);
    expect(answered.body.choices[0].message.content).toBe('Hello there');
    expect(answered.headers).toMatchObject({ 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '2' });
    expect(await logOf(answered)).toMatchObject({
      client_id,
      auth_method: 'client',
      method: 'POST',
      route: '/v1/chat/completions',
      status: 200,
      provider: 'core-nest',
      model: 'core-nest/echo',
      input_tokens: answered.body.usage.prompt_tokens,
      output_tokens: answered.body.usage.completion_tokens,
      error_code: null,
    });

    const streamed = await agent()
      .post('/v1/chat/completions')
      .auth(client_id, client_secret)
      .send({ ...QUESTION, stream: true })
      .expect(200)
      .expect('content-type', /text\/event-stream/);
    expect(streamed.text.trim().endsWith('data: [DONE]')).toBe(true);

    const forbidden = await agent().get('/api/v1/clients').set('api-key', api_key).expect(403);
    expect(forbidden.body).toMatchObject({ code: 'permission_denied', status: 403 });

    await chat().expect(200).expect('x-ratelimit-remaining', '0');
    const refused = await chat().expect(429);
    expect(refused.body.error.code).toBe('rate_limit_exceeded');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1000);
    expect(await logOf(refused)).toMatchObject({ client_id, status: 429, error_code: 'rate_limited' });

    await agent().delete(`/api/v1/clients/${client_id}`).set('X-API-Key', adminKey).expect(204);
    const revoked = await chat().expect(401);
    expect(revoked.body.error.code).toBe('invalid_api_key');
    expect(await logOf(revoked)).toMatchObject({ client_id: null, status: 401, error_code: 'invalid_api_key' });
  });

  it('a caller with its own provider token is answered without a client, and throttled by none', async () => {
    const answered = await agent()
      .post('/v1/chat/completions')
      .set('X-Provider-Token', 'sk-of-the-caller')
      .send(QUESTION)
      .expect(200);
    expect(answered.headers['x-ratelimit-limit']).toBeUndefined();
    expect(await logOf(answered)).toMatchObject({ client_id: null, auth_method: 'byot', status: 200 });
    const whoami = await agent()
      .get('/api/v1/whoami')
      .set('X-Provider-Token', 'sk-1')
      .set('X-Provider', 'openai')
      .expect(200);
    expect(whoami.body).toEqual({
      method: 'byot',
      client_id: null,
      user_id: null,
      tier: null,
      scopes: null,
      provider: 'openai',
      request_id: whoami.headers['x-request-id'],
    });
    await agent().get('/api/v1/clients').set('X-Provider-Token', 'sk-of-the-caller').expect(403);
  });
});
