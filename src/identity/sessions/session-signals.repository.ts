import { Injectable } from '@nestjs/common';
import type { Transaction } from '../../platform/database/transactions.js';

/** Where a user was last seen, by one of their sessions. */
export interface SeenPlace {
  readonly sessionId: string;
  readonly address: string | null;
  readonly country: string;
  readonly seenAt: Date;
  /** The session has not ended. */
  readonly live: boolean;
}

/** Sessions that ended already and are looked at, too. */
const ENDED_LOOKED_AT = 20;

/** Where users were seen. */
@Injectable()
export class SessionSignalsRepository {
  /** Where the user's live sessions and the latest others were last used from, the latest first. */
  seenPlaces(userId: string, transaction: Transaction): Promise<SeenPlace[]> {
    return transaction.query(
      `SELECT * FROM (
         SELECT id AS "sessionId", coalesce(seen_address, address) AS address, ended_at IS NULL AS live,
                CASE WHEN seen_address IS NULL THEN country ELSE seen_country END AS country, last_seen_at AS "seenAt"
         FROM (SELECT * FROM sessions WHERE user_id = $1 AND ended_at IS NULL
               UNION
               (SELECT * FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT ${ENDED_LOOKED_AT})) AS found
       ) AS seen
       WHERE country IS NOT NULL ORDER BY "seenAt" DESC, "sessionId"`,
      [userId],
    );
  }
}
