import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';
import { Countries } from '../../platform/geo/countries.js';
import { positionOfCountry } from '../../platform/geo/country-positions.js';
import { shortestTravel } from '../../platform/geo/travel.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import { KnownPlacesRepository } from './devices/known-places.repository.js';
import { type SeenPlace, SessionSignalsRepository } from './session-signals.repository.js';

/** What can be unusual about a session. */
export const SESSION_SIGNALS = ['new_device', 'new_country', 'impossible_travel', 'concurrent_countries'] as const;
export type SessionSignal = (typeof SESSION_SIGNALS)[number];

/** A sign-in, as far as it can be unusual. */
export interface SignInPlace {
  readonly sessionId: string;
  readonly userId: string;
  readonly deviceId: string;
  /** As it is shown. */
  readonly device: string | null;
  readonly address: string;
  readonly country: string | null;
  readonly now: Date;
  readonly origin: AuditOrigin;
}

/** Devices kept of each user. */
const MAX_DEVICES = 20;
/** Faster than airliners fly. */
const MAX_SPEED = 900;
/** Uses so far apart are at once. */
export const AT_ONCE_MS = 600_000;

/**
 * Says what is unusual about a session, and writes it to the audit log in the transaction of the sign-in. It refuses
 * nobody: countries come from addresses, and are a guess (`Countries`).
 */
@Injectable()
export class SessionSignals {
  /** Counted since start. */
  readonly stats: Record<SessionSignal, number> = {
    new_device: 0,
    new_country: 0,
    impossible_travel: 0,
    concurrent_countries: 0,
  };

  constructor(
    private readonly countries: Countries,
    private readonly places: KnownPlacesRepository,
    private readonly repository: SessionSignalsRepository,
    private readonly audit: AuditService,
  ) {}

  /**
   * Compares a sign-in with where and on what its user signed in before, and remembers it. The caller holds the user
   * locked, and adds the session afterwards. A user's first device and country are no news.
   */
  async ofSignIn(place: SignInPlace, transaction: Transaction): Promise<SessionSignal[]> {
    const seen = await this.repository.seenPlaces(place.userId, transaction);
    const novelty = await this.places.remember(place.userId, { ...place, maxDevices: MAX_DEVICES }, transaction);
    const { sessionId, userId, device, country, origin } = place;
    const event = { origin, subject: { type: 'session', id: sessionId } } as const;
    const signals: SessionSignal[] = [];
    if (novelty.device) {
      signals.push('new_device');
      const details = { user_id: userId, device, country };
      await this.audit.record({ ...event, action: 'session.new_device', details }, transaction);
    }
    if (novelty.country) {
      signals.push('new_country');
      const details = { user_id: userId, device, country };
      await this.audit.record({ ...event, action: 'session.new_country', details }, transaction);
    }
    const travel = this.#impossibleTravel(place, seen);
    if (travel !== null) {
      signals.push('impossible_travel');
      await this.audit.record({ ...event, action: 'session.impossible_travel', details: travel }, transaction);
    }
    const others = elsewhereNow(place, seen);
    if (others.length > 0) {
      signals.push('concurrent_countries');
      await this.#concurrent({ sessionId, userId, origin }, country, others, transaction);
    }
    for (const signal of signals) this.stats[signal] += 1;
    return signals;
  }

  /** Writes down that a session is used from two countries, found out while it was used. */
  async ofUse(
    use: { readonly sessionId: string; readonly userId: string; readonly origin: AuditOrigin },
    country: string,
    others: readonly string[],
    transaction: Transaction,
  ): Promise<void> {
    await this.#concurrent(
      use,
      country,
      others.map((other) => ({ country: other })),
      transaction,
    );
    this.stats.concurrent_countries += 1;
  }

  #concurrent(
    use: { readonly sessionId: string; readonly userId: string; readonly origin: AuditOrigin },
    country: string | null,
    others: readonly Pick<SeenPlace, 'country'>[],
    transaction: Transaction,
  ): Promise<void> {
    return this.audit.record(
      {
        action: 'session.concurrent_countries',
        origin: use.origin,
        subject: { type: 'session', id: use.sessionId },
        details: { user_id: use.userId, country, other_countries: [...new Set(others.map((other) => other.country))] },
      },
      transaction,
    );
  }

  #impossibleTravel(place: SignInPlace, [last]: readonly SeenPlace[]) {
    if (last === undefined || place.country === null) return null;
    const from =
      (last.address === null ? null : this.countries.placeOf(last.address)) ?? positionOfCountry(last.country);
    const to = this.countries.placeOf(place.address);
    if (from === null || to === null) return null;
    const elapsedMs = place.now.getTime() - last.seenAt.getTime();
    const travel = shortestTravel(from, to, elapsedMs);
    if (travel === null || travel.speed <= MAX_SPEED) return null;
    return {
      user_id: place.userId,
      from_country: last.country,
      to_country: place.country,
      distance_km: travel.distanceKm,
      speed_kmh: travel.speed,
      minutes: Math.max(0, Math.round(elapsedMs / 60_000)),
    };
  }
}

/** Live sessions that are used from another country at this time. */
function elsewhereNow(place: SignInPlace, seen: readonly SeenPlace[]): SeenPlace[] {
  if (place.country === null) return [];
  const since = place.now.getTime() - AT_ONCE_MS;
  return seen.filter(({ live, country, seenAt }) => live && country !== place.country && seenAt.getTime() > since);
}
