import type { RequestRecord } from '../../kernel/request-record.js';

/** The columns of a line, in its order. */
export const LINE_COLUMNS = [
  'created_at',
  'id',
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
  'process',
  'sequence',
  'user_id',
] as const;

/** The status of a request whose caller left before the whole answer was written. */
const STATUS_CALLER_LEFT = 499;

const NULL = '\\N';
const MAX_TEXT = 128;
/** The end of the year 9999. */
const MAX_TIME = 253_402_300_799_999;
const MAX_INT4 = 2_147_483_647;
/** What means something in COPY's text format, and what PostgreSQL or a terminal cannot take: the control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const SPECIAL = /[\\\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROL = /[\u0000-\u001f\u007f]/g;

let stampedAt = Number.NaN;
let stamp = '';

/**
 * A request as one line of COPY's text format, with its line feed. Field by field from an allow-list; text is cut to
 * 128 characters and rid of control characters, and numbers are forced into their columns' ranges, so that no value of
 * one row can spoil the batch. Takes a few microseconds; throws when the record's time is none.
 *
 * @param id a UUID; the row keeps it however often it is sent.
 * @param process the start of core-nest that saw the request. @param sequence its number among that one's.
 */
export function apiLogLine(record: RequestRecord, id: string, process: number, sequence: number): string {
  // Joined, not added up: a text made of parts stays a tree of them, and all of it is copied for as long as it waits.
  return [
    time(record.startedAt),
    id,
    text(record.requestId),
    text(record.method),
    text(record.route),
    record.aborted ? STATUS_CALLER_LEFT : whole(record.status, MAX_INT4),
    latency(record.latencyMs),
    whole(record.bytesIn, Number.MAX_SAFE_INTEGER),
    whole(record.bytesOut, Number.MAX_SAFE_INTEGER),
    text(record.authMethod),
    text(record.clientId),
    text(record.address),
    text(record.callerKind),
    text(record.provider),
    text(record.model),
    record.stream ? 't' : 'f',
    tokens(record.inputTokens),
    tokens(record.outputTokens),
    text(record.errorCode),
    process,
    sequence,
    `${text(record.userId)}\n`,
  ].join('\t');
}

/** The UTC day a line belongs to, as `YYYY-MM-DD`. */
export function dayOfLine(line: string): string {
  return line.slice(0, 10);
}

function time(milliseconds: number): string {
  if (milliseconds !== stampedAt) {
    if (!(milliseconds >= 0 && milliseconds <= MAX_TIME)) throw new RangeError('A request without a time.');
    stamp = new Date(milliseconds).toISOString();
    stampedAt = milliseconds;
  }
  return stamp;
}

function text(value: string | null): string {
  if (value === null) return NULL;
  const short = value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) : value;
  return SPECIAL.test(short) ? short.replaceAll(CONTROL, '').replaceAll('\\', '\\\\') : short;
}

function whole(value: number, max: number): number {
  return value > 0 ? Math.min(Math.round(value), max) : 0;
}

function tokens(value: number | null): number | string {
  return value === null ? NULL : whole(value, MAX_INT4);
}

function latency(milliseconds: number): number {
  return milliseconds > 0 && milliseconds < MAX_INT4 ? Math.round(milliseconds * 1_000) / 1_000 : 0;
}
