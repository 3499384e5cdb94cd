import { isTimeZone, wallTime } from './zoned-time.js';

const at = (text: string) => Date.parse(text);

describe('wallTime', () => {
  it.each([
    ['UTC', '2026-01-05T00:00:00Z', { day: 1, minute: 0 }],
    ['UTC', '2026-01-04T23:59:59Z', { day: 7, minute: 1439 }],
    ['Europe/Berlin', '2026-01-05T07:30:00Z', { day: 1, minute: 510 }],
    ['America/New_York', '2026-01-05T03:00:00Z', { day: 7, minute: 1320 }],
    ['Asia/Kolkata', '2026-01-05T20:00:00Z', { day: 2, minute: 90 }],
  ])('in %s at %s', (zone, time, wall) => {
    expect(wallTime(zone, at(time))).toEqual(wall);
  });

  it('leaves an hour out in spring, and has one twice in autumn', () => {
    const inBerlin = (time: string) => wallTime('Europe/Berlin', at(time)).minute / 60;
    expect([inBerlin('2026-03-29T00:59:00Z'), inBerlin('2026-03-29T01:00:00Z')]).toEqual([1 + 59 / 60, 3]);
    expect([inBerlin('2026-10-25T00:00:00Z'), inBerlin('2026-10-25T01:00:00Z')]).toEqual([2, 2]);
  });

  it('is that of the minute that is asked for, in whatever order zones and minutes come', () => {
    for (const [zone, time, minute] of [
      ['UTC', '2026-01-05T10:00:30Z', 600],
      ['Europe/Berlin', '2026-01-05T10:00:30Z', 660],
      ['UTC', '2026-01-05T10:00:59Z', 600],
      ['UTC', '2026-01-05T09:59:59Z', 599],
      ['Europe/Berlin', '2026-01-05T10:01:00Z', 661],
    ] as const)
      expect(wallTime(zone, at(time)).minute).toBe(minute);
  });
});

describe('isTimeZone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('takes %s', (name) => {
    expect(isTimeZone(name)).toBe(true);
  });

  it.each(['', '+02:00', 'Europe/Nowhere', 'Europe/Berlin\u0000', '../etc/passwd', 'x'.repeat(65), '1'])(
    'refuses %j',
    (name) => {
      expect(isTimeZone(name)).toBe(false);
    },
  );
});
