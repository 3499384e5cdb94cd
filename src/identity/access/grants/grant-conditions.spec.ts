import { readConditions } from './grant-conditions.js';

const read = (value: unknown) => readConditions(value, 'body.conditions');
const wrongIn = (value: unknown) => read(value).errors.map(({ location }) => location);

describe('the conditions of a grant', () => {
  it('are none where there are none', () => {
    expect(read(null)).toEqual({ conditions: null, errors: [] });
    expect(read({})).toEqual({ conditions: null, errors: [] });
  });

  it('are taken in their one spelling', () => {
    const all = {
      cidr: ['192.0.2.0/24', '2001:DB8::/32', '::ffff:198.51.100.7', '198.51.100.7'],
      hours: { to: '24:00', from: '00:00', days: [5, 1], zone: 'Europe/Berlin' },
      methods: ['session', 'pwd'],
      max_auth_age_seconds: 300,
      mfa: true,
      countries: ['DE'],
      own_only: true,
    };
    expect(read(all)).toEqual({
      conditions: {
        ...all,
        cidr: ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7'],
        hours: { zone: 'Europe/Berlin', days: [1, 5], from: '00:00', to: '24:00' },
      },
      errors: [],
    });
  });

  it.each<[unknown, string]>([
    ['mfa', 'body.conditions'],
    [[], 'body.conditions'],
    [{ cidrs: ['192.0.2.1'] }, 'body.conditions.cidrs'],
    [{ constructor: 1 }, 'body.conditions.constructor'],
    [{ cidr: '192.0.2.1' }, 'body.conditions.cidr'],
    [{ cidr: [] }, 'body.conditions.cidr'],
    [{ cidr: ['192.0.2.7/24'] }, 'body.conditions.cidr'],
    [{ cidr: ['fe80::1%eth0'] }, 'body.conditions.cidr'],
    [{ cidr: [1] }, 'body.conditions.cidr'],
    [{ cidr: Array.from({ length: 65 }, (_, index) => `192.0.2.${index}`) }, 'body.conditions.cidr'],
    [{ methods: ['sesion'] }, 'body.conditions.methods'],
    [{ methods: ['otp', 'otp'] }, 'body.conditions.methods'],
    [{ max_auth_age_seconds: 0 }, 'body.conditions.max_auth_age_seconds'],
    [{ max_auth_age_seconds: 1.5 }, 'body.conditions.max_auth_age_seconds'],
    [{ max_auth_age_seconds: '60' }, 'body.conditions.max_auth_age_seconds'],
    [{ max_auth_age_seconds: 40_000_000 }, 'body.conditions.max_auth_age_seconds'],
    [{ mfa: false }, 'body.conditions.mfa'],
    [{ own_only: null }, 'body.conditions.own_only'],
    [{ countries: ['de'] }, 'body.conditions.countries'],
    [{ countries: ['DEU'] }, 'body.conditions.countries'],
    [{ hours: 'always' }, 'body.conditions.hours'],
    [{ hours: { zone: '+02:00', from: '08:00', to: '09:00' } }, 'body.conditions.hours.zone'],
    [{ hours: { from: '08:00', to: '09:00' } }, 'body.conditions.hours.zone'],
    [{ hours: { zone: 'UTC', from: '8:00', to: '09:00' } }, 'body.conditions.hours.from'],
    [{ hours: { zone: 'UTC', from: '24:00', to: '09:00' } }, 'body.conditions.hours.from'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '24:01' } }, 'body.conditions.hours.to'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '08:00' } }, 'body.conditions.hours.to'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '09:00', days: [] } }, 'body.conditions.hours.days'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '09:00', days: [0] } }, 'body.conditions.hours.days'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '09:00', days: [1, 1] } }, 'body.conditions.hours.days'],
    [{ hours: { zone: 'UTC', from: '08:00', to: '09:00', weekdays: true } }, 'body.conditions.hours.weekdays'],
  ])('%j is refused, and %s named', (value, location) => {
    expect(wrongIn(value)).toEqual([location]);
    expect(read(value).conditions).toBeNull();
  });

  it('are refused with every mistake named, and with __proto__ for a name', () => {
    expect(wrongIn({ mfa: 1, cidr: 'x', hours: { zone: 'x', from: '1', to: '2' } })).toHaveLength(5);
    expect(wrongIn(JSON.parse('{"__proto__":{"mfa":true}}'))).toEqual(['body.conditions.__proto__']);
  });
});
