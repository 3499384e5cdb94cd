import { type FieldError, InvalidRequestError } from '../../kernel/app-error.js';

/** What a filter's text must be, and what it becomes. */
export type FilterKind = 'text' | 'integer' | 'time' | readonly string[];

export interface ListShape<SortKey extends string> {
  /** The keys a list may be sorted by, each with the kind of its values (a cursor carries one of them). */
  readonly sortKeys: Readonly<Record<SortKey, 'text' | 'integer' | 'time'>>;
  readonly defaultSort: `-${SortKey}` | SortKey;
  /** What the tie-breaking id of a row looks like. */
  readonly idPattern: RegExp;
  readonly filters: Readonly<Record<string, FilterKind>>;
}

export interface ListQuery<SortKey extends string> {
  readonly limit: number;
  readonly sort: SortKey;
  readonly descending: boolean;
  /** Where the page before ended: the sort key's value and the tie-breaking id. */
  readonly after: readonly [value: string, id: string] | null;
  readonly filters: Readonly<Record<string, string | number | Date>>;
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

export const MAX_LIMIT = 200;
export const DEFAULT_LIMIT = 50;
export const MAX_TEXT = 256;
/** RFC 3339, with the offsets PostgreSQL takes. */
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)$/;
/** The instants both JavaScript and PostgreSQL write with a four-digit year. */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Reads the conventions every list shares (contract, section 4): `limit`, `cursor`, `sort` and filters by name.
 *
 * @throws InvalidRequestError naming each unknown or bad parameter.
 */
export function parseListQuery<SortKey extends string>(
  raw: Readonly<Record<string, unknown>>,
  shape: ListShape<SortKey>,
): ListQuery<SortKey> {
  const errors: FieldError[] = [];
  const filters: Record<string, string | number | Date> = {};
  let limit = DEFAULT_LIMIT;
  let sortText: string = shape.defaultSort;
  let cursor: string | null = null;

  for (const [name, value] of Object.entries(raw)) {
    const location = `query.${name.slice(0, 64)}`;
    if (typeof value !== 'string') errors.push({ location, message: 'must be given once' });
    else if (value.includes('\u0000')) errors.push({ location, message: 'must not hold a NUL character' });
    else if (name === 'limit') {
      limit = Number(value);
      if (!/^\d{1,3}$/.test(value) || limit < 1 || limit > MAX_LIMIT)
        errors.push({ location, message: `must be a whole number from 1 to ${MAX_LIMIT}` });
    } else if (name === 'sort') sortText = value;
    else if (name === 'cursor') cursor = value;
    else if (!Object.hasOwn(shape.filters, name)) errors.push({ location, message: 'is not a filter of this list' });
    else {
      const read = readFilter(value, shape.filters[name] ?? 'text');
      if (typeof read === 'object' && 'problem' in read) errors.push({ location, message: read.problem });
      else filters[name] = read;
    }
  }

  const descending = sortText.startsWith('-');
  const sort = (descending ? sortText.slice(1) : sortText) as SortKey;
  const known = Object.hasOwn(shape.sortKeys, sort);
  if (!known)
    errors.push({
      location: 'query.sort',
      message: `must be one of ${Object.keys(shape.sortKeys)
        .flatMap((key) => [key, `-${key}`])
        .join(', ')}`,
    });
  const after =
    cursor === null || !known ? null : decodeCursor(cursor, sortText, shape.sortKeys[sort], shape.idPattern);
  if (known && cursor !== null && after === null)
    errors.push({
      location: 'query.cursor',
      message: 'is not a cursor of this list and sort; take next_cursor of the page before',
    });
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return { limit, sort, descending, after, filters };
}

function readFilter(value: string, kind: FilterKind): string | number | Date | { problem: string } {
  if (kind === 'text')
    return value.length <= MAX_TEXT ? value : { problem: `must have at most ${MAX_TEXT} characters` };
  if (kind === 'integer') return /^-?\d{1,9}$/.test(value) ? Number(value) : { problem: 'must be a whole number' };
  if (kind === 'time') {
    return readTime(value) ?? { problem: 'must be an RFC 3339 time, e.g. 2026-01-31T00:00:00Z' };
  }
  return kind.includes(value) ? value : { problem: `must be one of ${kind.join(', ')}` };
}

/** A time that exists: JavaScript alone would take 30 February for 2 March, and PostgreSQL would refuse it. */
function readTime(value: string): Date | null {
  const [, year, month, day] = RFC3339.exec(value) ?? [];
  if (day === undefined) return null;
  const time = new Date(value);
  const daysInMonth = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  const exists = Number(day) <= daysInMonth && time.getTime() >= FIRST_INSTANT && time.getTime() <= LAST_INSTANT;
  return exists && !/T24/.test(value) ? time : null;
}

/**
 * Makes a page of the rows a repository found when asked for `limit + 1` of them.
 *
 * @param position the sort key's value and the id of a row, as text that sorts and compares in SQL.
 * @param reached where a search that ended before its last row stands: the page says that there is more from there on,
 * however few rows it has.
 */
export function toPage<Row, T, SortKey extends string>(
  rows: readonly Row[],
  query: ListQuery<SortKey>,
  present: (row: Row) => T,
  position: (row: Row) => readonly [value: string, id: string],
  reached: readonly [value: string, id: string] | null = null,
): Page<T> {
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  const next = rows.length > query.limit && last !== undefined ? position(last) : reached;
  const sortText = query.descending ? `-${query.sort}` : query.sort;
  return {
    data: shown.map(present),
    has_more: next !== null,
    next_cursor: next === null ? null : encodeCursor(sortText, next),
  };
}

function encodeCursor(sortText: string, [value, id]: readonly [string, string]): string {
  return Buffer.from(JSON.stringify([sortText, value, id])).toString('base64url');
}

function decodeCursor(
  cursor: string,
  sortText: string,
  kind: FilterKind,
  idPattern: RegExp,
): readonly [string, string] | null {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(parts) || parts.length !== 3) return null;
    const [forSort, value, id] = parts;
    if (forSort !== sortText || typeof value !== 'string' || typeof id !== 'string' || value.includes('\u0000'))
      return null;
    const read = readFilter(value, kind);
    return (typeof read === 'object' && 'problem' in read) || !idPattern.test(id) ? null : [value, id];
  } catch {
    return null;
  }
}
