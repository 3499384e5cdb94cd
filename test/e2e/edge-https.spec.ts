import { AddressBlockedError } from '../../src/kernel/app-error.js';
import { AddressGate } from '../../src/platform/http/address-gate.js';
import { type EdgeApp, startEdgeApp } from '../support/edge-app.js';
import { RawConnection } from '../support/raw-http.js';

const BY_TLS = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };

async function get(edge: EdgeApp, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`http://127.0.0.1:${edge.port}${path}`, { headers, redirect: 'manual' });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

describe('HTTPS_REQUIRED=on', () => {
  let edge: EdgeApp;
  let stranger: EdgeApp;

  beforeAll(async () => {
    edge = await startEdgeApp({ HTTPS_REQUIRED: 'on', TRUSTED_PROXIES: '127.0.0.1' });
    stranger = await startEdgeApp({ HTTPS_REQUIRED: 'on', TRUSTED_PROXIES: '10.0.0.0/8' });
  });

  afterAll(() => Promise.all([edge.close(), stranger.close()]));

  it.each<[string, Record<string, string>]>([
    ['nothing said', {}],
    ['a proxy that was reached in the clear', { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http' }],
    ['a credential', { authorization: 'Bearer cn_live_000000000000_secret' }],
    ['another header', { 'x-forwarded-ssl': 'on', 'front-end-https': 'on', 'x-forwarded-scheme': 'https' }],
    ['a caller that says so before the proxy', { ...BY_TLS, 'x-forwarded-proto': 'https, http' }],
  ])('refuses plain HTTP, and does not redirect: %s', async (_name, headers) => {
    const answer = await get(edge, '/api/v1/who', headers);
    expect(answer.status).toBe(403);
    expect(answer.body).toMatchObject({ code: 'https_required', status: 403 });
    expect(answer.body.detail).toMatch(/^This service is reached over HTTPS only\./);
    expect(answer.headers.get('location')).toBeNull();
    expect(answer.headers.get('strict-transport-security')).toBeNull();
    expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
  });

  it.each<[string, Record<string, string>]>([
    ['X-Forwarded-Proto', BY_TLS],
    ['Forwarded', { forwarded: 'for=203.0.113.7;proto=https' }],
  ])('lets on what a trusted proxy says came by TLS, with HSTS: %s', async (_name, headers) => {
    for (const path of ['/api/v1/who', '/v1/limited']) {
      const answer = await get(edge, path, headers);
      expect(answer.status).toBe(path === '/api/v1/who' ? 200 : 429);
      expect(answer.headers.get('strict-transport-security')).toBe('max-age=31536000');
    }
  });

  it('believes nobody else', async () => {
    const answer = await get(stranger, '/api/v1/who', { ...BY_TLS, forwarded: 'for=203.0.113.7;proto=https' });
    expect([answer.status, answer.body.code]).toEqual([403, 'https_required']);
  });

  it.each([
    ['/v1/nothing', (body: { error: { code: string } }) => body.error.code],
    ['/v1/messages', (body: { error: { type: string } }) => body.error.type],
    ['/v1beta/models/a:generateContent', (body: { error: { status: string } }) => body.error.status],
    ['/nowhere', (body: { code: string }) => body.code],
    ['/api/v1/who%zz', (body: { code: string }) => body.code],
    ['/openapi.json', (body: { code: string }) => body.code],
    ['/health/live/more', (body: { code: string }) => body.code],
  ])('speaks the dialect of %s', async (path, read) => {
    const answer = await get(stranger, path);
    expect(answer.status).toBe(403);
    expect(['https_required', 'permission_error', 'PERMISSION_DENIED']).toContain(read(answer.body));
  });

  it('leaves the health pair open', async () => {
    expect((await get(stranger, '/health/live')).status).toBe(200);
    expect((await get(stranger, '/health/ready?verbose=1')).status).not.toBe(403);
  });

  it('reads several lines of a header as one list', async () => {
    const connection = await RawConnection.open(edge.port);
    const lines = ['Host: a', 'X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'];
    connection.send(`GET /api/v1/who HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    expect(JSON.parse((await connection.response())?.body ?? '')).toMatchObject({ code: 'https_required' });
    connection.socket.destroy();
  });
});

describe('the door for whoever keeps addresses out', () => {
  let edge: EdgeApp;

  beforeAll(async () => {
    edge = await startEdgeApp({ TRUSTED_PROXIES: '127.0.0.1' });
    const blocked = new AddressBlockedError();
    edge.app.get(AddressGate).guardBy((address) => (address === '203.0.113.7' ? blocked : null));
  });

  afterAll(() => edge.close());

  it.each(['/api/v1/who', '/nowhere', '/api/v1/who%zz', '/openapi.json'])('%s is behind it', async (path) => {
    const answer = await get(edge, path, { 'x-forwarded-for': '203.0.113.7' });
    expect(answer.status).toBe(403);
    expect(answer.body).toMatchObject({ code: 'address_blocked' });
    expect((await get(edge, '/api/v1/who', { 'x-forwarded-for': '203.0.113.8' })).status).toBe(200);
  });

  it('the health pair is not', async () => {
    expect((await get(edge, '/health/live', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(200);
  });

  it('sees the address through Forwarded lines too', async () => {
    const connection = await RawConnection.open(edge.port);
    const lines = ['Host: a', 'Forwarded: for=198.51.100.1', 'Forwarded: for="[2001:db8::1]:4711"'];
    connection.send(`GET /api/v1/who HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    expect(JSON.parse((await connection.response())?.body ?? '')).toMatchObject({ address: '2001:db8::1' });
    connection.socket.destroy();
  });
});
