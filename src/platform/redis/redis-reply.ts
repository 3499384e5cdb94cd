import { RedirectedError } from './redis-unavailable.error.js';

/** What Redis says when it is there and cannot serve: it counts as away until a probe has written something. */
const AWAY = /^(LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|NOAUTH|OOM|MISCONF|NOREPLICAS|BUSY)\b/;

/** Redis answered, and the answer was an error: it is there, and the call is what was wrong. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError' && !AWAY.test(error.message);
}

/** The connection leads to a server that was demoted, or never was a master: another one has to be found. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('READONLY');
}

export function isWrongType(error: Error): boolean {
  return error.message.startsWith('WRONGTYPE');
}

/** Where a Cluster says that a key is; null for every other reply. */
export function redirectionOf(error: Error): RedirectedError | null {
  const [kind, slot, address] = error.message.split(' ');
  if ((kind !== 'MOVED' && kind !== 'ASK') || address === undefined) return null;
  return new RedirectedError(Number(slot), address, kind === 'ASK');
}
