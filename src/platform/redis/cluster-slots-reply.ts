import type { RedisAddress } from '../config/redis-target.js';

export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: RedisAddress;
}

/** Reads what `CLUSTER SLOTS` answered to a connection to `asked` (`host:port`); nothing at all when it is no such answer. */
export function readSlots(reply: unknown, asked: string): SlotRange[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry: unknown) => {
    const [first, last, master] = Array.isArray(entry) ? entry : [];
    if (!isSlot(first) || !isSlot(last) || !Array.isArray(master)) return [];
    const [host, port] = master;
    return [{ first, last, master: resolveAddress(`${isNamed(host) ? host : ''}:${port}`, asked) }];
  });
}

/** An address as a node wrote it. Without a host it means the one that the node was reached at. */
export function resolveAddress(address: string, asked: string): RedisAddress {
  const colon = address.lastIndexOf(':');
  const host = colon === 0 ? asked.slice(0, asked.lastIndexOf(':')) : address.slice(0, colon);
  return { host, port: Number(address.slice(colon + 1)) };
}

/** A node that was told to announce a name and has none says `?`. */
function isNamed(host: unknown): host is string {
  return typeof host === 'string' && host !== '' && host !== '?';
}

function isSlot(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 16_384;
}
