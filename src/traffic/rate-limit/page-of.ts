import { type ListQuery, type Page, toPage } from '../../platform/http/list-query.js';

interface ByClassAndTier {
  readonly class: string;
  readonly tier: string;
}

/** A page of rows that are all in memory, sorted by class and then tier. */
export function pageOf<Row extends ByClassAndTier>(rows: readonly Row[], query: ListQuery<'class'>): Page<Row> {
  const { filters, after, descending } = query;
  const compare = (a: ByClassAndTier, b: ByClassAndTier) => {
    const order = textOrder(a.class, b.class) || textOrder(a.tier, b.tier);
    return descending ? -order : order;
  };
  const wanted = rows.filter(
    (row) =>
      (filters.class === undefined || row.class === filters.class) &&
      (filters.tier === undefined || row.tier === filters.tier) &&
      (after === null || compare(row, { class: after[0], tier: after[1] }) > 0),
  );
  return toPage(
    wanted.sort(compare).slice(0, query.limit + 1),
    query,
    (row) => row,
    (row) => [row.class, row.tier],
  );
}

function textOrder(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
