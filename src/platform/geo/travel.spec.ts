import { type Position, positionOfCountry } from './country-positions.js';
import { shortestTravel } from './travel.js';

const HOUR_MS = 3_600_000;
const at = (latitude: number, longitude: number, radiusKm = 0): Position => ({ latitude, longitude, radiusKm });
const country = (code: string) => positionOfCountry(code) ?? at(0, 0);

describe('the shortest journey', () => {
  it('is along the great circle', () => {
    const berlin = at(52.52, 13.405);
    expect(shortestTravel(berlin, at(40.713, -74.006), HOUR_MS)).toEqual({ distanceKm: 6385, speed: 6385 });
    expect(shortestTravel(berlin, at(48.857, 2.352), 2 * HOUR_MS)).toEqual({ distanceKm: 877, speed: 439 });
    expect(shortestTravel(at(0, 179.5), at(0, -179.5), HOUR_MS)?.distanceKm).toBe(111);
    expect(shortestTravel(at(90, 0), at(-90, 0), HOUR_MS)?.distanceKm).toBe(20015);
  });

  it('is none within doubt', () => {
    expect(shortestTravel(at(50, 8), at(50, 8), HOUR_MS)).toBeNull();
    expect(shortestTravel(at(52.52, 13.405, 500), at(48.857, 2.352, 500), 0)).toBeNull();
  });

  it('takes an endless speed when there was no time, or the clock went back', () => {
    expect(shortestTravel(at(0, 0), at(0, 10), 0)?.speed).toBe(Number.POSITIVE_INFINITY);
    expect(shortestTravel(at(0, 0), at(0, 10), -1)?.speed).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['DE', 'FR', 0, false],
    ['DE', 'CH', 0, false],
    ['PT', 'BR', 8, false],
    ['GB', 'US', 4, false],
    ['US', 'JP', 9, false],
    ['AU', 'NZ', 3, false],
    ['DE', 'AU', 1, true],
    ['GB', 'US', 1, true],
    ['BR', 'CN', 5, true],
    ['JP', 'ZA', 2, true],
  ])('from %s to %s in %d hours is impossible: %p', (from, to, hours, impossible) => {
    expect((shortestTravel(country(from), country(to), hours * HOUR_MS)?.speed ?? 0) > 900).toBe(impossible);
  });

  it('knows every country once, and no other code', () => {
    expect(positionOfCountry('DE')).toEqual({ latitude: 51.1, longitude: 10.4, radiusKm: 600 });
    expect(positionOfCountry('QZ')).toBeNull();
    expect(positionOfCountry('')).toBeNull();
  });
});
