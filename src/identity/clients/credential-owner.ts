import type { CachedOwner } from './cached-credential.js';

/**
 * The owner of the row `client` and what is granted to it at `:now`, as one JSON value; null where it has none. It stands
 * in the statement that reads the client, so that all of it is of one moment.
 */
export const OWNER_JSON = `CASE WHEN client.owner_id IS NOT NULL THEN json_build_object('userId', client.owner_id,
  'status', (SELECT status FROM users WHERE id = client.owner_id), 'grants', grants_of(client.owner_id, :now)) END`;

/** A value of {@link OWNER_JSON}; the status is null where there is no such user any more. */
export type OwnerRow = Omit<CachedOwner, 'status'> & { readonly status: string | null };

/** The owner as a cached credential holds it. A user that is gone is one that is not active. */
export function toOwner(row: OwnerRow | null): CachedOwner | null {
  return row === null ? null : { ...row, status: row.status ?? 'gone' };
}
