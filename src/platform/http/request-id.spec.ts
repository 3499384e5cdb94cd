import { newRequestId, requestIdFor } from './request-id.js';

describe('requestIdFor', () => {
  it.each(['a', 'abc-DEF_1.2', 'task-1', 'x'.repeat(64)])('keeps %p', (incoming) => {
    expect(requestIdFor(incoming)).toBe(incoming);
  });

  it.each([undefined, '', 'x'.repeat(65), 'a b', 'a,b', 'first, second', 'a\nb', 'a\n', 'é', '<script>', ['a', 'b']])(
    'replaces %p by one of ours',
    (incoming) => {
      expect(requestIdFor(incoming)).toMatch(/^req_[0-9a-f]{24}$/);
    },
  );

  it.each(['cn_live_c004FaZmdXGq_M0oHQw3ki9MryeLtd6Aa6lEnbHE5AC15qJ9h', 'sk-proj-1', 'x.AIzaSyA'])(
    'replaces %p, which looks like a key',
    (incoming) => {
      expect(requestIdFor(incoming)).toMatch(/^req_[0-9a-f]{24}$/);
    },
  );

  it('never gives an id twice, over refills of its pool', () => {
    const ids = new Set(Array.from({ length: 5_000 }, newRequestId));
    expect(ids.size).toBe(5_000);
  });
});
