import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';

/** Every field a log line may have besides its time, level and message. There is none for text of a request. */
export interface LogFields {
  /** The room or class that speaks. */
  readonly context?: string | undefined;
  readonly request_id?: string | undefined;
  /** Class name of an error. */
  readonly error?: string | undefined;
  /** Our error code, a system error code or an SQLSTATE. */
  readonly code?: string | undefined;
  /** Stack frames, without the error's message. */
  readonly frames?: readonly string[] | undefined;
  readonly count?: number | undefined;
  readonly duration_ms?: number | undefined;
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly signal?: string | undefined;
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

let logger: Logger = pino({ level: 'silent' });

/**
 * Starts logging: one JSON object per line on stdout (or `stream`), from `level` on. Before it is called nothing is
 * logged. Lines are written synchronously: they are few, and none is lost when the process ends.
 */
export function configureLog(level: string, stream: DestinationStream = destination({ dest: 1, sync: true })): void {
  logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

/**
 * Writes one log line. `message` is our own fixed text; what varies goes into the fields, and anything that is not one
 * of them is left out.
 */
export function log(level: LogLevel, message: string, fields: LogFields = {}): void {
  if (!logger.isLevelEnabled(level)) return;
  const { context, request_id, error, code, frames, count, duration_ms, port, host, signal } = fields;
  logger[level]({ context, request_id, error, code, frames, count, duration_ms, port, host, signal }, message);
}
