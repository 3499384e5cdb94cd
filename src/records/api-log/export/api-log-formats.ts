import type { ApiLogDto } from '../api-log.dto.js';

/** How rows are written to a file. */
export interface ApiLogFormat {
  readonly contentType: string;
  readonly extension: string;
  /** What stands before the first row. */
  readonly head: string;
  /** One row with its line end. */
  line(row: ApiLogDto): string;
}

/** The fields of a row, in the order of the columns. */
const FIELDS = [
  'id',
  'created_at',
  'request_id',
  'method',
  'route',
  'status',
  'latency_ms',
  'bytes_in',
  'bytes_out',
  'auth_method',
  'client_id',
  'client_address',
  'caller_kind',
  'provider',
  'model',
  'stream',
  'input_tokens',
  'output_tokens',
  'error_code',
  'user_id',
] as const satisfies readonly (keyof ApiLogDto)[];

/** What a spreadsheet would take for a formula, or would drop to get at one. */
const FORMULA = /^[=+\-@\t\r\n]/;
const QUOTED = /[",\r\n]/;

/** One JSON object a line. */
const ndjson: ApiLogFormat = {
  contentType: 'application/x-ndjson',
  extension: 'ndjson',
  head: '',
  line: (row) => `${JSON.stringify(row)}\n`,
};

/** RFC 4180 with a header line. A text that a spreadsheet would run as a formula gets an apostrophe before it. */
const csv: ApiLogFormat = {
  contentType: 'text/csv; charset=utf-8; header=present',
  extension: 'csv',
  head: `${FIELDS.join(',')}\r\n`,
  line: (row) => `${FIELDS.map((field) => cell(row[field])).join(',')}\r\n`,
};

export const API_LOG_FORMATS = { ndjson, csv } as const;

function cell(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const harmless = FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
