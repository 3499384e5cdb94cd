import { ServiceUnavailableError } from '../../src/kernel/app-error.js';
import { ProviderError, ProviderTimeoutError } from '../../src/kernel/provider-errors.js';
import { collect } from '../../src/traffic/gateway/collect.js';
import { UpstreamPool } from '../../src/traffic/gateway/upstream-pool.js';
import { startDeafServer } from '../support/deaf-server.js';
import { eventually } from '../support/eventually.js';
import { json, startUpstream, type Upstream } from '../support/upstream.js';

const TIMEOUTS = { connectMs: 300, firstByteMs: 300, idleMs: 300 };

let upstream: Upstream;
let pool: UpstreamPool;
beforeEach(async () => {
  upstream = await startUpstream();
  pool = new UpstreamPool(upstream.origin, TIMEOUTS, 2);
});
afterEach(async () => {
  await pool.destroy();
  await upstream.close();
});

const get = (signal?: AbortSignal, maxBytes = 1_000) =>
  collect({ pool, method: 'GET', path: '/', headers: {}, maxBytes, signal });

describe('UpstreamPool', () => {
  it('refuses what it has no connection for, at once, and serves again when one is free', async () => {
    const held: (() => void)[] = [];
    upstream.answer = (response) => void held.push(() => response.end('{}'));
    const running = [get(), get()];
    await expect(get()).rejects.toThrow(ServiceUnavailableError);
    await eventually(() => held.length === 2);
    for (const answer of held) answer();
    await Promise.all(running);
    upstream.answer = json({});
    await expect(get()).resolves.toMatchObject({ status: 200 });
    expect(upstream.requests).toHaveLength(3);
  });

  it('counts every outcome out again', async () => {
    upstream.answer = (response) => void response.destroy();
    await expect(get()).rejects.toThrow(ProviderError);
    upstream.answer = () => undefined;
    await expect(get()).rejects.toThrow(ProviderTimeoutError);
    upstream.answer = json({ text: 'x'.repeat(2_000) });
    await expect(get()).rejects.toThrow('The answer of the provider is too large.');
    upstream.answer = () => undefined;
    const leaving = new AbortController();
    const left = get(leaving.signal);
    await eventually(() => upstream.requests.length === 4);
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    await eventually(() => pool.stats().running === 0);
  });

  it('counts out a caller that left before there was a connection', async () => {
    const deaf = await startDeafServer();
    const waiting = new UpstreamPool(deaf.origin, TIMEOUTS, 1);
    const leaving = new AbortController();
    const call = { pool: waiting, method: 'GET', path: '/', headers: {}, maxBytes: 1, signal: leaving.signal } as const;
    const left = collect(call);
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    await eventually(() => waiting.stats().running === 0);
    deaf.close();
    await waiting.destroy();
  });
});
