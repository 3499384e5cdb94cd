import ipaddr from 'ipaddr.js';

const NETWORK_GROUPS = 4;

/**
 * What an address is counted by: itself for IPv4, its /64 for IPv6, because one host can have all of that. An IPv4
 * address written inside an IPv6 one (mapped, or translated by NAT64, RFC 6052) is the IPv4 address.
 */
export function addressKey(address: string): string {
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  const range = parsed.range();
  if (range === 'ipv4Mapped') return parsed.toIPv4Address().toString();
  if (range === 'rfc6052') return ipaddr.fromByteArray(parsed.toByteArray().slice(-4)).toString();
  const network = parsed.parts.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}
