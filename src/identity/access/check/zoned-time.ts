/** A moment as the clock on a wall shows it. */
export interface WallTime {
  /** ISO: 1 (Monday) to 7. */
  readonly day: number;
  /** Minutes since midnight. */
  readonly minute: number;
}

const MINUTE_MS = 60_000;
const DAYS: readonly string[] = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
/** Formatting costs microseconds, and a minute is asked for many times: the last one of each zone is kept. */
const zones = new Map<string, { readonly format: Intl.DateTimeFormat; at: number; wall: WallTime }>();

/** Whether it is a time zone by its IANA name; an offset (`+02:00`) is none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Weekday and time of day of a moment, with the zone's daylight saving.
 *
 * @param now milliseconds since the epoch.
 * @throws RangeError for what is no zone.
 */
export function wallTime(zone: string, now: number): WallTime {
  const at = Math.floor(now / MINUTE_MS);
  let known = zones.get(zone);
  if (known === undefined) {
    known = { format: formatOf(zone), at: Number.NaN, wall: { day: 1, minute: 0 } };
    zones.set(zone, known);
  }
  if (known.at !== at) {
    known.wall = read(known.format, now);
    known.at = at;
  }
  return known.wall;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
}

function read(format: Intl.DateTimeFormat, now: number): WallTime {
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  return {
    day: DAYS.indexOf(parts.get('weekday') ?? '') + 1,
    minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  };
}
