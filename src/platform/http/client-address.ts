import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Stands for a peer that was gone before its address could be read. */
const UNKNOWN_ADDRESS = '0.0.0.0';
const CACHE_ENTRIES = 1_024;
const CACHED_HEADER_LENGTH = 256;

/**
 * An address in its one canonical spelling: RFC 5952 for IPv6, dotted quad for IPv4 and for IPv4 mapped into IPv6;
 * zone, brackets and port are dropped. Null when the text is no address (`unknown`, a name, an obfuscated identifier).
 */
export function normaliseAddress(text: string): string | null {
  let host = text.trim();
  if (host.startsWith('[')) {
    const end = host.indexOf(']');
    if (end === -1 || !/^(:\d{1,5})?$/.test(host.slice(end + 1))) return null;
    host = host.slice(1, end);
  } else {
    const colon = host.indexOf(':');
    if (colon !== -1 && colon === host.lastIndexOf(':') && /^\d{1,5}$/.test(host.slice(colon + 1)))
      host = host.slice(0, colon);
  }
  const zone = host.indexOf('%');
  if (zone !== -1) host = host.slice(0, zone);
  const family = isIP(host);
  if (family === 4) return host;
  if (family === 0) return null;
  const address = ipaddr.IPv6.parse(host);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

/**
 * Finds the real client of a request: its peer, or, when the peer is a trusted proxy, the right-most hop of
 * `X-Forwarded-For` that is not one. What a caller writes to the left of that hop is never believed, nor anything from
 * a peer that is not trusted, nor any other forwarding header (`Forwarded`, `X-Real-IP`), which a proxy that speaks
 * `X-Forwarded-For` would pass on as the caller wrote it.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList();
  readonly #anyTrusted: boolean;
  readonly #resolved = new Map<string, string>();

  /** @param trusted addresses and CIDR ranges, already validated (`TRUSTED_PROXIES`). */
  constructor(trusted: readonly string[]) {
    this.#anyTrusted = trusted.length > 0;
    for (const item of trusted) this.#trust(item);
  }

  /** The address of a connection, canonical. */
  peer(remoteAddress: string | undefined): string {
    return (remoteAddress === undefined ? null : normaliseAddress(remoteAddress)) ?? UNKNOWN_ADDRESS;
  }

  /** True when this peer's `X-Forwarded-For` is believed. */
  isTrusted(address: string): boolean {
    return this.#anyTrusted && this.#trusted.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }

  /**
   * The client behind a trusted peer. A hop that cannot be read ends the walk: the last trusted hop then stands for
   * whoever is behind it. If all hops are trusted, the farthest is the client.
   */
  behind(peer: string, forwardedFor: string | undefined): string {
    if (forwardedFor === undefined || forwardedFor === '') return peer;
    const key = `${peer} ${forwardedFor}`;
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const client = this.#walk(peer, forwardedFor);
    if (key.length <= CACHED_HEADER_LENGTH) {
      if (this.#resolved.size >= CACHE_ENTRIES) this.#resolved.clear();
      this.#resolved.set(key, client);
    }
    return client;
  }

  #walk(peer: string, forwardedFor: string): string {
    let client = peer;
    for (let end = forwardedFor.length; end > 0; ) {
      const comma = forwardedFor.lastIndexOf(',', end - 1);
      const hop = normaliseAddress(forwardedFor.slice(comma + 1, end));
      if (hop === null) return client;
      client = hop;
      if (!this.isTrusted(hop)) return client;
      end = comma;
    }
    return client;
  }

  #trust(item: string): void {
    const [text = '', bits] = item.split('/');
    const address = ipaddr.parse(text);
    if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
      const mapped = address.toIPv4Address().toString();
      this.#trusted.addSubnet(mapped, bits === undefined ? 32 : Math.max(0, Number(bits) - 96), 'ipv4');
    } else {
      const family = address.kind();
      const whole = family === 'ipv4' ? 32 : 128;
      this.#trusted.addSubnet(address.toNormalizedString(), bits === undefined ? whole : Number(bits), family);
    }
  }
}
