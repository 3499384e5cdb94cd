import type { Position } from './country-positions.js';

const EARTH_RADIUS_KM = 6_371;
const HOUR_MS = 3_600_000;
const DEGREE = Math.PI / 180;

/** A journey, at its shortest. */
export interface Travel {
  readonly distanceKm: number;
  /** Kilometres an hour it takes at least. Infinity when there was no time at all. */
  readonly speed: number;
}

/**
 * The shortest journey that takes somebody from one place to the other in this time: between the nearest points that
 * both may be at, so that doubt about either counts as nearness. Null: they may not have moved.
 */
export function shortestTravel(from: Position, to: Position, elapsedMs: number): Travel | null {
  const distanceKm = Math.round(distance(from, to) - from.radiusKm - to.radiusKm);
  if (distanceKm <= 0) return null;
  return {
    distanceKm,
    speed: elapsedMs <= 0 ? Number.POSITIVE_INFINITY : Math.round((distanceKm * HOUR_MS) / elapsedMs),
  };
}

/** Along the great circle (haversine formula), in kilometres. */
function distance(from: Position, to: Position): number {
  const half = (degrees: number) => Math.sin((degrees * DEGREE) / 2) ** 2;
  const across = Math.cos(from.latitude * DEGREE) * Math.cos(to.latitude * DEGREE);
  const chord = half(to.latitude - from.latitude) + across * half(to.longitude - from.longitude);
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}
