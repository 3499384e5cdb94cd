import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An address or a CIDR range. */
export interface AddressRange {
  /** The one canonical spelling: `203.0.113.0/24`, `2001:db8::/32`, and without a length for a single address. */
  readonly text: string;
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly bits: number;
}

const MAPPED_BITS = 96;

/**
 * Reads an address or a CIDR range (RFC 4632, RFC 4291). IPv4 mapped into IPv6 is IPv4, as client addresses are. Null
 * when the text is neither, holds a zone, or has bits to the right of its mask (`203.0.113.7/24`: which was meant?).
 */
export function readAddressRange(text: string): AddressRange | null {
  const [host = '', length, ...rest] = text.split('/');
  if (rest.length > 0 || isIP(host) === 0 || host.includes('%')) return null;
  if (length !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(length)) return null;
  const parsed = ipaddr.parse(host);
  const mapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress();
  const address = mapped ? parsed.toIPv4Address() : parsed;
  const whole = address.kind() === 'ipv4' ? 32 : 128;
  const bits = length === undefined ? whole : Number(length) - (mapped ? MAPPED_BITS : 0);
  if (bits < 0 || bits > whole || hasBitsBeyond(address, bits)) return null;
  const spelt = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return { text: bits === whole ? spelt : `${spelt}/${bits}`, address, bits };
}

/** Whether every address of `inner` is one of `outer`. */
export function coversRange(outer: AddressRange, inner: AddressRange): boolean {
  return (
    outer.address.kind() === inner.address.kind() &&
    outer.bits <= inner.bits &&
    inner.address.match(outer.address, outer.bits)
  );
}

/** Ranges made ready for being asked. What cannot be read as a range holds no address. */
export class AddressRanges {
  readonly #held = new BlockList();

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const range = readAddressRange(text);
      if (range !== null) this.#held.addSubnet(range.address.toString(), range.bits, range.address.kind());
    }
  }

  /** @param address canonical, as the edge finds it. */
  has(address: string): boolean {
    return this.#held.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}

function hasBitsBeyond(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): boolean {
  return address.toByteArray().some((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return (byte & (0xff >> kept)) !== 0;
  });
}
