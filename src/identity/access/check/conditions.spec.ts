import type { GrantConditions } from '../../../kernel/grant.js';
import type { AccessContext } from './access-context.js';
import { compileConditions, type Facts, methodsOf, type Outcome, outcomeOf, type Proof } from './conditions.js';

const ME = 'usr_me';
const MONDAY_NOON = Date.parse('2026-01-05T12:00:00Z');

function facts(context: Partial<AccessContext> = {}, proof: Partial<Proof> = {}): Facts {
  return {
    context: { address: null, country: null, now: MONDAY_NOON, objects: [], ...context },
    proof: { methods: null, authenticatedAt: null, mfa: null, ...proof },
    userId: ME,
  };
}

const outcome = (conditions: GrantConditions | null, given: Facts = facts()) =>
  outcomeOf(compileConditions(conditions), given);

describe('each condition', () => {
  const object = { type: 'clients', id: 'c' };
  it.each<[string, GrantConditions, Facts, Outcome]>([
    ['inside the range', { cidr: ['192.0.2.0/24'] }, facts({ address: '192.0.2.7' }), 'holds'],
    ['inside an IPv6 range', { cidr: ['192.0.2.1', '2001:db8::/32'] }, facts({ address: '2001:db8::1' }), 'holds'],
    ['outside', { cidr: ['192.0.2.0/24'] }, facts({ address: '198.51.100.1' }), 'fails'],
    ['at an unknown address', { cidr: ['0.0.0.0/0'] }, facts(), 'unknown'],
    ['in the country', { countries: ['DE', 'FR'] }, facts({ country: 'FR' }), 'holds'],
    ['in another', { countries: ['DE'] }, facts({ country: 'FR' }), 'fails'],
    ['in an unknown one', { countries: ['DE'] }, facts(), 'unknown'],
    ['by the method', { methods: ['session'] }, facts({}, { methods: ['session', 'pwd'] }), 'holds'],
    ['by another', { methods: ['otp'] }, facts({}, { methods: ['session', 'pwd'] }), 'fails'],
    ['by an unknown one', { methods: ['otp'] }, facts(), 'unknown'],
    [
      'signed in just so recently',
      { max_auth_age_seconds: 60 },
      facts({}, { authenticatedAt: MONDAY_NOON - 60_000 }),
      'holds',
    ],
    [
      'signed in too long ago',
      { max_auth_age_seconds: 60 },
      facts({}, { authenticatedAt: MONDAY_NOON - 60_001 }),
      'fails',
    ],
    ['a key, which has no sign-in', { max_auth_age_seconds: 60 }, facts(), 'unknown'],
    ['with a second factor', { mfa: true }, facts({}, { mfa: true }), 'holds'],
    ['without', { mfa: true }, facts({}, { mfa: false }), 'fails'],
    ['with who knows what', { mfa: true }, facts(), 'unknown'],
    ['one’s own', { own_only: true }, facts({ objects: [object], ownerId: ME }), 'holds'],
    ['another’s', { own_only: true }, facts({ objects: [object], ownerId: 'usr_other' }), 'fails'],
    ['nobody’s', { own_only: true }, facts({ objects: [object], ownerId: null }), 'fails'],
    ['nobody has looked whose', { own_only: true }, facts({ objects: [object] }), 'unowned'],
    ['about no object', { own_only: true }, facts(), 'unknown'],
  ])('%s', (_what, conditions, given, expected) => {
    expect(outcome(conditions, given)).toBe(expected);
  });

  it('that this release does not know is never known to hold', () => {
    expect(outcome({ moon: 'full' } as GrantConditions)).toBe('unknown');
    expect(outcome({ mfa: undefined } as unknown as GrantConditions)).toBe('holds');
  });

  it('passes for a method by its other name too', () => {
    expect(methodsOf('jwt', ['pwd', 'otp'])).toEqual(['jwt', 'pwd', 'password', 'otp']);
    expect(methodsOf(null, ['pwd'])).toEqual(['pwd', 'password']);
  });
});

describe('hours', () => {
  const during = (hours: GrantConditions['hours'], time: string) =>
    outcome({ hours } as GrantConditions, facts({ now: Date.parse(time) }));

  it.each([
    ['2026-01-05T07:59:59Z', 'fails'],
    ['2026-01-05T08:00:00Z', 'holds'],
    ['2026-01-05T16:59:59Z', 'holds'],
    ['2026-01-05T17:00:00Z', 'fails'],
    ['2026-01-10T12:00:00Z', 'fails'],
  ])('from eight to five on weekdays at %s: %s', (time, expected) => {
    expect(during({ zone: 'UTC', days: [1, 2, 3, 4, 5], from: '08:00', to: '17:00' }, time)).toBe(expected);
  });

  it.each([
    ['2026-01-09T21:59:00Z', 'fails'],
    ['2026-01-09T22:00:00Z', 'holds'],
    ['2026-01-10T05:59:00Z', 'holds'],
    ['2026-01-10T06:00:00Z', 'fails'],
    ['2026-01-10T23:00:00Z', 'fails'],
    ['2026-01-09T03:00:00Z', 'fails'],
  ])('past midnight belong to the day they began on: Friday night at %s: %s', (time, expected) => {
    expect(during({ zone: 'UTC', days: [5], from: '22:00', to: '06:00' }, time)).toBe(expected);
  });

  it('of Sunday night go on into Monday', () => {
    expect(during({ zone: 'UTC', days: [7], from: '22:00', to: '06:00' }, '2026-01-05T01:00:00Z')).toBe('holds');
  });

  it('go to the end of the day, every day, and by the clock of the zone', () => {
    expect(during({ zone: 'UTC', from: '00:00', to: '24:00' }, '2026-01-05T23:59:59Z')).toBe('holds');
    const berlin = { zone: 'Europe/Berlin', from: '08:00', to: '09:00' };
    expect(during(berlin, '2026-01-05T07:30:00Z')).toBe('holds');
    expect(during(berlin, '2026-07-06T07:30:00Z')).toBe('fails');
    expect(during(berlin, '2026-07-06T06:30:00Z')).toBe('holds');
  });
});

describe('all conditions together', () => {
  const object = { type: 'clients', id: 'c' };

  it('hold where there is none', () => {
    expect(outcome(null)).toBe('holds');
    expect(outcome({})).toBe('holds');
  });

  it('fail where one fails, whatever is not known of others', () => {
    const given = facts({ objects: [object] }, { mfa: false });
    expect(outcome({ countries: ['DE'], own_only: true, mfa: true }, given)).toBe('fails');
  });

  it('wait for the owner before they say that they do not know', () => {
    expect(outcome({ countries: ['DE'], own_only: true }, facts({ objects: [object] }))).toBe('unowned');
    expect(outcome({ countries: ['DE'], own_only: true }, facts({ objects: [object], ownerId: ME }))).toBe('unknown');
    expect(outcome({ countries: ['DE'], own_only: true }, facts({ objects: [object], ownerId: null }))).toBe('fails');
  });
});
