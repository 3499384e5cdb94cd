/** What the socket says when PostgreSQL cannot be reached or has gone. */
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** SQLSTATEs of a server that is stopping, starting, full or too slow (PostgreSQL, appendix A). */
const SERVER_STATES: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '53300', '57014', '25P03', '57P05']);
/** Class 08: connection exceptions. */
const CONNECTION_CLASS = '08';
const SQLSTATE = /^[0-9A-Z]{5}$/;

/** What `pg` says, without a code, when a connection broke or none came free in time. */
const DRIVER_MESSAGES: readonly string[] = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Query read timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
];

/** The codes an error and the driver's error inside it carry. Never its message, query or parameters. */
function* layers(error: unknown): Generator<object> {
  if (typeof error !== 'object' || error === null) return;
  yield error;
  if ('driverError' in error && typeof error.driverError === 'object' && error.driverError !== null)
    yield error.driverError;
  if (error instanceof AggregateError) for (const inner of error.errors) if (inner instanceof Error) yield inner;
}

/**
 * True when an error says that PostgreSQL is away, starting, full or too slow to answer in its bounded time, so that
 * the same request may succeed shortly: answered 503. A statement that is wrong is not among them.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  for (const layer of layers(error)) {
    const code = 'code' in layer && typeof layer.code === 'string' ? layer.code : '';
    if (NETWORK_CODES.has(code) || SERVER_STATES.has(code)) return true;
    if (SQLSTATE.test(code) && code.startsWith(CONNECTION_CLASS)) return true;
    const message = layer instanceof Error ? layer.message : '';
    if (DRIVER_MESSAGES.some((known) => message.startsWith(known))) return true;
  }
  return false;
}
