import type { ValueTransformer } from 'typeorm';

/**
 * For a column that says when something ends. PostgreSQL also knows the times `infinity` and `-infinity`, which arrive as
 * numbers: the first is no end (null), the second one long past. A row written by hand would else break its readers.
 */
export const OPEN_END: ValueTransformer = {
  to: (end: unknown) => end,
  from: (stored: unknown) => {
    if (typeof stored !== 'number') return stored;
    return stored > 0 ? null : new Date(0);
  },
};
