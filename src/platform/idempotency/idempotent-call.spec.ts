import { InvalidRequestError } from '../../kernel/app-error.js';
import type { HttpReply, HttpRequest } from '../http/http-request.js';
import { callWith, markReplayed, readIdempotencyKey } from './idempotent-call.js';

const requestWith = (headers: Record<string, unknown>, state: object | null = { kind: 'client', clientId: 'c' }) =>
  ({
    headers,
    method: 'POST',
    url: '/api/v1/clients/x/secrets?a=b',
    routeOptions: { url: '/api/v1/clients/:client_id/secrets' },
    identity: state === null ? null : { state },
  }) as unknown as HttpRequest;

describe('readIdempotencyKey', () => {
  it('is null without the header', () => {
    expect(readIdempotencyKey(requestWith({}))).toBeNull();
  });

  it.each(['k', '!', '~', '8e03978e-40d5-43dd-bc93-6894a57f9324', '"quoted"', 'x'.repeat(255)])('takes %s', (key) => {
    expect(readIdempotencyKey(requestWith({ 'idempotency-key': key }))).toEqual({
      caller: 'client c',
      method: 'POST',
      route: '/api/v1/clients/:client_id/secrets',
      path: '/api/v1/clients/x/secrets',
      key,
    });
  });

  it.each(['', ' ', 'a b', 'a, b', 'ü', 'a\u007f', 'x'.repeat(256), ['a', 'b']])('refuses %j', (key) => {
    const read = () => readIdempotencyKey(requestWith({ 'idempotency-key': key }));
    expect(read).toThrow(InvalidRequestError);
    expect(read).toThrow(/^header\.Idempotency-Key: must be 1 to 255 visible ASCII characters/);
  });

  it.each([null, { kind: 'byot' }])('does not mistake anybody else for a client: %j', (state) => {
    expect(readIdempotencyKey(requestWith({ 'idempotency-key': 'k' }, state))?.caller).toBe('nobody');
  });
});

describe('callWith', () => {
  const caller = readIdempotencyKey(requestWith({ 'idempotency-key': 'k' }));

  it('is null without a key', () => {
    expect(callWith(null, {})).toBeNull();
  });

  it('writes equal bodies equally, whatever the order of their fields', () => {
    expect(callWith(caller, { b: [1, 2], a: 'x' })).toEqual(callWith(caller, { a: 'x', b: [1, 2] }));
    expect(callWith(caller, { a: 'x' })).not.toEqual(callWith(caller, { a: 'y' }));
    expect(callWith(caller, { a: [1, 2] })).not.toEqual(callWith(caller, { a: [2, 1] }));
  });
});

it('marks an answer that was given before', () => {
  const headers: [string, string][] = [];
  const reply = { header: (name: string, value: string) => headers.push([name, value]) } as unknown as HttpReply;
  markReplayed(reply, false);
  expect(headers).toEqual([]);
  markReplayed(reply, true);
  expect(headers).toEqual([['Idempotent-Replayed', 'true']]);
});
