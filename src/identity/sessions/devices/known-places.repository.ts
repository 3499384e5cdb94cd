import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Transaction } from '../../../platform/database/transactions.js';

/** What a sign-in adds to what is known of its user. */
export interface Novelty {
  /** Not known, while others are. */
  readonly device: boolean;
  readonly country: boolean;
}

interface RememberedRow {
  readonly new_device: boolean;
  readonly new_country: boolean;
}

/** Devices and countries by user. */
@Injectable()
export class KnownPlacesRepository {
  constructor(@InjectDataSource() private readonly source: DataSource) {}

  /** Rejects when PostgreSQL is away. */
  async isKnownDevice(userId: string, deviceId: string): Promise<boolean> {
    const rows = await this.source.query<unknown[]>(
      'SELECT 1 FROM known_devices WHERE user_id = $1 AND device_id = $2',
      [userId, deviceId],
    );
    return rows.length > 0;
  }

  /**
   * Notes a sign-in. The caller holds the user's row locked. Of devices beyond `maxDevices` those go first that never
   * came back, then those that were away the longest.
   */
  async remember(
    userId: string,
    place: {
      readonly deviceId: string;
      readonly country: string | null;
      readonly now: Date;
      readonly maxDevices: number;
    },
    transaction: Transaction,
  ): Promise<Novelty> {
    const { deviceId, country, now, maxDevices } = place;
    const [row] = await transaction.query<RememberedRow[]>(
      `WITH devices AS (SELECT device_id FROM known_devices WHERE user_id = $1),
       countries AS (SELECT country FROM known_countries WHERE user_id = $1),
       device AS (
         INSERT INTO known_devices (user_id, device_id, first_seen_at, last_seen_at) VALUES ($1, $2, $4, $4)
         ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_at = EXCLUDED.last_seen_at
       ), place AS (
         INSERT INTO known_countries (user_id, country, first_seen_at, last_seen_at)
         SELECT $1, $3, $4, $4 WHERE $3::text IS NOT NULL
         ON CONFLICT (user_id, country) DO UPDATE SET last_seen_at = EXCLUDED.last_seen_at
       )
       SELECT EXISTS (SELECT 1 FROM devices) AND NOT EXISTS (SELECT 1 FROM devices WHERE device_id = $2) AS new_device,
              $3::text IS NOT NULL AND EXISTS (SELECT 1 FROM countries)
                AND NOT EXISTS (SELECT 1 FROM countries WHERE country = $3) AS new_country`,
      [userId, deviceId, country, now],
    );
    await transaction.query(
      `DELETE FROM known_devices WHERE user_id = $1 AND device_id IN (
         SELECT device_id FROM known_devices WHERE user_id = $1
         ORDER BY device_id = $2 DESC, first_seen_at < last_seen_at DESC, last_seen_at DESC, device_id OFFSET $3)`,
      [userId, deviceId, maxDevices],
    );
    return { device: row?.new_device === true, country: row?.new_country === true };
  }
}
