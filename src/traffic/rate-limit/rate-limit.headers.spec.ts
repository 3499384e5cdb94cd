import type { HttpReply } from '../../platform/http/http-request.js';
import { BucketPolicy } from './bucket-policy.js';
import { BucketSet } from './bucket-set.js';
import { type Decision, decide } from './limit-decision.js';
import { setAddressLimitHeaders, setRateLimitHeaders } from './rate-limit.headers.js';

const WINDOW = 100;

/** A decision on one bucket of ten units in a hundred seconds, with so many left. */
function left(
  rateClass: 'address' | 'general',
  remaining: number,
  options: { shadow?: boolean; allowed?: boolean } = {},
) {
  const { shadow = false, allowed = true } = options;
  const policy = new BucketPolicy(rateClass, { quota: 10, windowSeconds: WINDOW }, { shadow });
  const debts = [policy.debtOf(10 - remaining)];
  return decide(new BucketSet([policy]), { allowed, debts, lacking: 0 }, 1, 0, false);
}

function headersOf(address: Decision, client?: Decision): Record<string, string> {
  const headers: Record<string, string> = {};
  const reply = {
    header: (name: string, value: string) => Object.assign(headers, { [name]: value }),
  } as unknown as HttpReply;
  setAddressLimitHeaders(reply, address);
  if (client !== undefined) setRateLimitHeaders(reply, client);
  return headers;
}

const BOTH = '"address";q=10;w=100, "general";q=10;w=100';
const GENERAL = '"general";q=10;w=100';

describe('the headers of a request that is limited by its address and its client', () => {
  it('are of the tightest bucket of both, and name both', () => {
    const address = headersOf(left('address', 3), left('general', 7));
    expect(address).toMatchObject({
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '3',
      'x-ratelimit-reset': '70',
      ratelimit: '"address";r=3;t=70',
      'ratelimit-policy': BOTH,
    });
    const general = headersOf(left('address', 7), left('general', 3));
    expect(general).toMatchObject({ ratelimit: '"general";r=3;t=70', 'ratelimit-policy': BOTH });
  });

  it('are of the bucket that refuses, however little another one has left', () => {
    const refused = headersOf(left('address', 0), left('general', 0, { allowed: false }));
    expect(refused).toMatchObject({ ratelimit: '"general";r=0;t=10', 'ratelimit-policy': BOTH });
  });

  it('say nothing of buckets in shadow', () => {
    const shadow = headersOf(left('address', 1, { shadow: true }), left('general', 7));
    expect(shadow).toMatchObject({ ratelimit: '"general";r=7;t=30', 'ratelimit-policy': GENERAL });
    const other = headersOf(left('address', 1), left('general', 0, { shadow: true }));
    expect(other).toMatchObject({ ratelimit: '"address";r=1;t=90' });
  });

  it('are of the address alone where no client is counted', () => {
    expect(headersOf(left('address', 1))).toMatchObject({ ratelimit: '"address";r=1;t=90' });
  });
});
