import { readSlots, resolveAddress } from './cluster-slots-reply.js';

describe('readSlots', () => {
  const range = (host: unknown, port = 7001) => [0, 5460, [host, port, 'id', []], ['10.0.0.9', 7004, 'id', []]];

  it('reads the masters, not their replicas', () => {
    expect(readSlots([range('10.0.0.1'), [5461, 16_383, ['h.example', 7002, 'id']]], '10.0.0.7:6379')).toEqual([
      { first: 0, last: 5460, master: { host: '10.0.0.1', port: 7001 } },
      { first: 5461, last: 16_383, master: { host: 'h.example', port: 7002 } },
    ]);
  });

  it.each([null, '', '?'])('takes a host that is %j for the one that was asked', (host) => {
    expect(readSlots([range(host)], 'redis.internal:6379')[0]?.master).toEqual({ host: 'redis.internal', port: 7001 });
  });

  it.each([null, 'OK', [], [null], [[0, 1]], [['0', 1, ['h', 1]]], [[0, 16_384, ['h', 1]]]])(
    'takes nothing from %j',
    (reply) => {
      expect(readSlots(reply, 'h:1')).toEqual([]);
    },
  );
});

describe('resolveAddress', () => {
  it.each([
    ['10.0.0.1:7001', { host: '10.0.0.1', port: 7001 }],
    ['2001:db8::1:7001', { host: '2001:db8::1', port: 7001 }],
    [':7001', { host: 'asked', port: 7001 }],
  ])('reads %s', (address, expected) => {
    expect(resolveAddress(address, 'asked:6379')).toEqual(expected);
  });
});
