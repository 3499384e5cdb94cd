import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A rest this small is read and thrown away, so that the connection can go on. */
const DISCARD_BYTES = 65_536;
/** How long a closing connection still reads, so that the answer arrives before a reset would destroy it. */
const LINGER_MS = 2_000;

const CLOSING = Symbol('closing');
type ClosingSocket = Socket & { [CLOSING]?: true };

/**
 * True when so much of the body may still come (or, with `Expect: 100-continue`, was never asked for) that reading it
 * only to keep the connection would cost more than the connection is worth.
 */
export function leavesBodyUnread(request: IncomingMessage): boolean {
  if (request.complete) return false;
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > DISCARD_BYTES;
}

/**
 * Makes the connection of a refused body close gently once the answer is written: what still comes is thrown away for
 * up to two seconds, because closing at once resets the connection and the caller would lose the answer
 * (RFC 9112, 9.6). Nothing that follows on this connection is served.
 */
export function closeAfterAnswer(socket: ClosingSocket): void {
  if (socket[CLOSING]) return;
  socket[CLOSING] = true;
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  };
}

/** True when the connection takes no more requests. */
export function isClosing(socket: ClosingSocket): boolean {
  return socket[CLOSING] === true;
}
