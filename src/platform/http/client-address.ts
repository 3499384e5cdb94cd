import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Settings } from '../config/settings.js';
import { readForwardedElement, startOfElement } from './forwarded-header.js';

/** Stands for a peer that was gone before its address could be read. */
const UNKNOWN_ADDRESS = '0.0.0.0';

/** The client of a request, and whether it reached the outermost trusted proxy by TLS. */
interface Origin {
  readonly address: string;
  readonly secure: boolean;
}

/** RFC 7239, 6: a port may be hidden as an identifier can. */
const OBFUSCATED_PORT = /:_[A-Za-z0-9._-]+$/;
const CACHE_ENTRIES = 1_024;
const CACHED_KEY_LENGTH = 320;

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
 * Finds the real client of a request: its peer, or, when the peer is a trusted proxy, the right-most hop of the
 * forwarding header that is not one. What a caller writes to the left of that hop is never believed, nor anything from
 * a peer that is not trusted, nor a forwarding header that is not asked for, which a proxy that speaks another one would
 * pass on as the caller wrote it. `auto` reads `Forwarded` (RFC 7239) only where `X-Forwarded-For` is missing: right for
 * proxies that set `X-Forwarded-For`; for those that speak `Forwarded` alone only if they take the other out.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList();
  readonly #anyTrusted: boolean;
  readonly #resolved = new Map<string, Origin>();

  /**
   * @param trusted addresses and CIDR ranges, already validated (`TRUSTED_PROXIES`).
   * @param header which header is believed (`TRUSTED_PROXY_HEADER`).
   */
  constructor(
    trusted: readonly string[],
    private readonly header: Settings['TRUSTED_PROXY_HEADER'] = 'auto',
  ) {
    this.#anyTrusted = trusted.length > 0;
    for (const item of trusted) this.#trust(item);
  }

  /** The address of a connection, canonical. */
  peer(remoteAddress: string | undefined): string {
    return (remoteAddress === undefined ? null : normaliseAddress(remoteAddress)) ?? UNKNOWN_ADDRESS;
  }

  /** True when this peer's forwarding header is believed. */
  isTrusted(address: string): boolean {
    return this.#anyTrusted && this.#trusted.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }

  /**
   * The client behind a trusted peer. A hop that cannot be read (`unknown`, an obfuscated identifier, nonsense) ends the
   * walk: the last trusted hop then stands for whoever is behind it. If all hops are trusted, the farthest is the client.
   */
  behind(peer: string, headers: IncomingHttpHeaders): string {
    return this.#origin(peer, headers).address;
  }

  /**
   * Whether a trusted peer says that the client came by TLS: `X-Forwarded-Proto`, or `proto` of the `Forwarded` element,
   * as the proxy wrote it that saw the client. Proxies that append to `X-Forwarded-Proto` are told by its place.
   */
  isSecure(peer: string, headers: IncomingHttpHeaders): boolean {
    return this.#origin(peer, headers).secure;
  }

  #origin(peer: string, headers: IncomingHttpHeaders): Origin {
    // A line break between the parts, which no header holds: nobody can write one part's text into another.
    const forwardedFor = joined(headers['x-forwarded-for']);
    const forwarded = joined(headers.forwarded);
    if (this.header === 'forwarded' || (this.header === 'auto' && forwardedFor === '' && forwarded !== '')) {
      return this.#remembered(`f\n${peer}\n${forwarded}`, () => this.#walkForwarded(peer, forwarded));
    }
    const protocols = joined(headers['x-forwarded-proto']);
    return this.#remembered(`${peer}\n${forwardedFor}\n${protocols}`, () => this.#walk(peer, forwardedFor, protocols));
  }

  #remembered(key: string, resolve: () => Origin): Origin {
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const origin = resolve();
    if (key.length <= CACHED_KEY_LENGTH) {
      if (this.#resolved.size >= CACHE_ENTRIES) this.#resolved.clear();
      this.#resolved.set(key, origin);
    }
    return origin;
  }

  #walk(peer: string, forwardedFor: string, protocols: string): Origin {
    let address = peer;
    let hops = 0;
    for (let end = forwardedFor.length; end > 0; ) {
      const comma = forwardedFor.lastIndexOf(',', end - 1);
      const hop = normaliseAddress(forwardedFor.slice(comma + 1, end));
      hops += 1;
      if (hop === null) break;
      address = hop;
      if (!this.isTrusted(hop)) break;
      end = comma;
    }
    return { address, secure: protocolAt(protocols, hops) === 'https' };
  }

  #walkForwarded(peer: string, forwarded: string): Origin {
    let address = peer;
    let secure = false;
    for (let end = forwarded.length; end > 0; ) {
      const start = startOfElement(forwarded, end);
      const element = start === -1 ? null : readForwardedElement(forwarded.slice(start, end));
      secure = element?.proto === 'https';
      const hop = element?.for == null ? null : normaliseAddress(element.for.replace(OBFUSCATED_PORT, ''));
      if (hop === null) break;
      address = hop;
      if (!this.isTrusted(hop)) break;
      end = start - 1;
    }
    return { address, secure };
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

/** Several lines of one header are one list, in order (RFC 9110, 5.2). */
function joined(value: string | string[] | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : value.join(', ');
}

/** The value the `hop`-th proxy from here wrote, or the farthest there is: most proxies replace the header. */
function protocolAt(protocols: string, hop: number): string {
  const values = protocols.split(',');
  return (values[Math.max(0, values.length - Math.max(1, hop))] ?? '').trim().toLowerCase();
}
