import { EventEmitter } from 'node:events';
import { RateLimitedError } from '../../../kernel/app-error.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import type { FailureBudgets } from './failure-budgets.service.js';
import { RequestAttempt } from './request-attempt.js';

function build(closed = false) {
  const raw = Object.assign(new EventEmitter(), { closed });
  const events: string[] = [];
  let reserved = 0;
  const budgets = {
    reserve: async (address: string, subject: string, trusted: readonly string[]) => {
      if (subject === 'spent') throw new RateLimitedError('no more', 7);
      reserved += 1;
      const number = reserved;
      events.push(`reserve ${number} ${address} ${subject} ${trusted.join()}`);
      return {
        giveBack: () => events.push(`give back ${number}`),
        keepSpent: () => events.push(`keep ${number}`),
      };
    },
  };
  const request = { record: { address: '203.0.113.7' }, raw: { headers: { 'user-agent': 'curl/8' } } };
  const attempt = new RequestAttempt(
    request as unknown as HttpRequest,
    { raw } as unknown as HttpReply,
    budgets as unknown as FailureBudgets,
  );
  return { attempt, events, raw, request };
}

describe('RequestAttempt', () => {
  it('says who attempts', () => {
    const { attempt, request } = build();
    expect(attempt.address).toBe('203.0.113.7');
    expect(attempt.userAgent).toBe('curl/8');
    Object.assign(request.raw, { headers: {} });
    expect(attempt.userAgent).toBeNull();
  });

  it('costs nothing when it was right, whatever becomes of the response', async () => {
    const { attempt, events, raw } = build();
    await attempt.reserve('c1', ['192.0.2.1']);
    attempt.succeeded();
    raw.emit('close');
    attempt.succeeded();
    expect(events).toEqual(['reserve 1 203.0.113.7 c1 192.0.2.1', 'give back 1']);
  });

  it('stays spent when the response closes before it was right', async () => {
    const { attempt, events, raw } = build();
    await attempt.reserve('c1');
    raw.emit('close');
    attempt.succeeded();
    expect(events).toEqual(['reserve 1 203.0.113.7 c1 ', 'keep 1']);
  });

  it('stays spent when the caller had left before it was made', async () => {
    const { attempt, events } = build(true);
    await attempt.reserve('c1');
    attempt.succeeded();
    expect(events).toEqual(['reserve 1 203.0.113.7 c1 ', 'keep 1']);
  });

  it('gives back all that one request took, and listens once', async () => {
    const { attempt, events, raw } = build();
    await attempt.reserve('c1');
    await attempt.reserve('c1');
    expect(raw.listenerCount('close')).toBe(1);
    attempt.succeeded();
    await attempt.reserve('c1');
    expect(raw.listenerCount('close')).toBe(1);
    raw.emit('close');
    expect(events.slice(2)).toEqual(['give back 1', 'give back 2', 'reserve 3 203.0.113.7 c1 ', 'keep 3']);
  });

  it('passes the refusal on, and has then taken nothing', async () => {
    const { attempt, events, raw } = build();
    await expect(attempt.reserve('spent')).rejects.toThrow('no more');
    attempt.succeeded();
    raw.emit('close');
    expect(events).toEqual([]);
  });

  it('does nothing for a request that reserves nothing', () => {
    const { attempt, events, raw } = build();
    attempt.succeeded();
    expect(raw.listenerCount('close')).toBe(0);
    expect(events).toEqual([]);
  });
});
