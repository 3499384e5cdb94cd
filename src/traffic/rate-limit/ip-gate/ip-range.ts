import ipaddr from 'ipaddr.js';
import { coversRange, readAddressRange } from '../../../platform/http/address-ranges.js';

/** A range of addresses, ready to be looked up in a map. */
export interface IpRange {
  /** As PostgreSQL's `cidr` writes it, always with a length: `203.0.113.7/32`, `2001:db8::/32`. */
  readonly cidr: string;
  readonly family: 4 | 6;
  readonly bits: number;
  /** See `prefixKey`. */
  readonly key: string;
}

const DIGIT_BITS = 4;

/** Reads what `readAddressRange` reads; null for anything else. */
export function readIpRange(text: string): IpRange | null {
  const range = readAddressRange(text);
  if (range === null) return null;
  const { address, bits } = range;
  const spelt = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  const family = address.kind() === 'ipv4' ? 4 : 6;
  return { cidr: `${spelt}/${bits}`, family, bits, key: prefixKey(digitsOf(address), bits) };
}

/** The digits of a canonical client address, four bits each: eight for IPv4, 32 for IPv6. */
export function addressDigits(address: string): string {
  return digitsOf(ipaddr.parse(address));
}

/** What the addresses of one prefix have in common: the first `bits` bits of their digits, the last digit masked. */
export function prefixKey(digits: string, bits: number): string {
  const whole = Math.floor(bits / DIGIT_BITS);
  const rest = bits % DIGIT_BITS;
  if (rest === 0) return digits.slice(0, whole);
  const mask = 0xf << (DIGIT_BITS - rest);
  return digits.slice(0, whole) + (Number.parseInt(digits.charAt(whole), 16) & mask).toString(16);
}

/** Whether two ranges have an address in common: then one of them is part of the other. */
export function overlaps(one: IpRange, other: IpRange): boolean {
  const [first, second] = [readAddressRange(one.cidr), readAddressRange(other.cidr)];
  return first !== null && second !== null && (coversRange(first, second) || coversRange(second, first));
}

function digitsOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  return Buffer.from(address.toByteArray()).toString('hex');
}
