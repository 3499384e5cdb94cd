import type { HttpReply, HttpRequest } from './http-request.js';
import { OpenRequests } from './open-requests.js';

const requestOf = () => ({}) as HttpRequest;
const replyOf = () => ({}) as HttpReply;

describe('OpenRequests', () => {
  it('knows each request by itself, in whatever order they leave', () => {
    const open = new OpenRequests();
    const pairs = Array.from({ length: 5 }, () => [requestOf(), replyOf()] as const);
    for (const [request, reply] of pairs) open.add(request, reply);

    for (const left of [2, 4, 0, 1]) {
      const [request] = pairs[left] as (typeof pairs)[number];
      expect(open.remove(request)).toBe(true);
      expect(open.replyOf(request)).toBeUndefined();
    }

    const [last, reply] = pairs[3] as (typeof pairs)[number];
    expect(open.size).toBe(1);
    expect(open.replyOf(last)).toBe(reply);
    expect(open.replies).toEqual([reply]);
  });

  it('removes a request once, even where another has taken its place', () => {
    const open = new OpenRequests();
    const [first, second] = [requestOf(), requestOf()];
    open.add(first, replyOf());
    open.add(second, replyOf());

    expect(open.remove(first)).toBe(true);
    expect(open.remove(first)).toBe(false);
    expect(open.size).toBe(1);
    expect(open.remove(second)).toBe(true);
    expect(open.remove(second)).toBe(false);
    expect(open.size).toBe(0);
  });

  it('does not take a request for open that never was', () => {
    const open = new OpenRequests();
    open.add(requestOf(), replyOf());
    expect(open.remove(requestOf())).toBe(false);
    expect(open.replyOf(requestOf())).toBeUndefined();
    expect(open.size).toBe(1);
  });
});
