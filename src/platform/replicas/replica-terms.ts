/** PostgreSQL channels of changes, and of the receipts for them. */
export const CHANGES_CHANNEL = 'core_nest_changes';
export const RECEIPTS_CHANNEL = 'core_nest_receipts';

/** A replica that has not beaten for so long is not counted as live, and does not count itself as such. */
export const LIVE_SECONDS = 5;
