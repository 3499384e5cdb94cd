import type { ServerResponse } from 'node:http';

/** Calls `release` once, when the response closes; at once where it is closed already, since no close would come. */
export function holdUntilClosed(response: ServerResponse, release: () => void): void {
  if (response.closed || response.destroyed) release();
  else response.once('close', release);
}
