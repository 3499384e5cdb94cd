import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { BlockList, isIP } from 'node:net';
import { Reader, type Response } from 'maxmind';
import { InvalidSettingsError } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { type Position, positionOfCountry } from './country-positions.js';

/** Country and perhaps place, as the files of MaxMind, DB-IP and ip-location-db spell them. */
interface Entry {
  readonly country_code?: unknown;
  readonly country?: { readonly iso_code?: unknown };
  readonly location?: { readonly latitude?: unknown; readonly longitude?: unknown; readonly accuracy_radius?: unknown };
}

const SHIPPED = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';
const COUNTRY_CODE = /^[A-Z]{2}$/;
/** Files in the same format that tell something else. */
const OTHER_DATA = /asn|domain|isp|connection|anonymous|proxy|privacy/i;
/** Where a file names a place without saying how well it knows it. */
const CITY_RADIUS_KM = 200;

/** Not reached over the internet (RFC 6890), whatever a file says of them. */
const LOCAL_RANGES = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 127, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
] as const;

/**
 * The country of an address, by a file in MaxMind's format that is read into memory once, at start. It never asks
 * anybody. What such files say is a guess: a VPN, a telephone abroad or a block that was sold give another country.
 */
export class Countries {
  readonly #reader: Reader<Response>;
  readonly #local = new BlockList();

  /** @throws InvalidSettingsError when the file cannot be read, or is none of countries. */
  constructor(settings: Pick<Settings, 'GEO_COUNTRY_FILE'>) {
    this.#reader = open(settings.GEO_COUNTRY_FILE ?? createRequire(import.meta.url).resolve(SHIPPED));
    for (const [address, bits, family] of LOCAL_RANGES) this.#local.addSubnet(address, bits, family);
  }

  /**
   * The ISO 3166-1 alpha-2 code of an address' country; null for what is private or unknown.
   *
   * @param address canonical, as the edge finds it.
   */
  of(address: string): string | null {
    return countryOf(this.#find(address));
  }

  /** About where an address is: as well as the file knows it, else anywhere in its country; null: that is not known. */
  placeOf(address: string): Position | null {
    const entry = this.#find(address);
    const { latitude, longitude, accuracy_radius: accuracy } = entry?.location ?? {};
    if (typeof latitude === 'number' && typeof longitude === 'number')
      return { latitude, longitude, radiusKm: typeof accuracy === 'number' ? accuracy : CITY_RADIUS_KM };
    const country = countryOf(entry);
    return country === null ? null : positionOfCountry(country);
  }

  #find(address: string): Entry | null {
    const family = isIP(address);
    if (family === 0 || this.#local.check(address, family === 4 ? 'ipv4' : 'ipv6')) return null;
    try {
      return this.#reader.get(address) as Entry | null;
    } catch {
      return null;
    }
  }
}

function countryOf(entry: Entry | null): string | null {
  const code = entry?.country_code ?? entry?.country?.iso_code;
  return typeof code === 'string' && COUNTRY_CODE.test(code) ? code : null;
}

function open(path: string): Reader<Response> {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch {
    throw invalid('cannot be read. Name a file that is there, or none to use the one that is shipped');
  }
  try {
    const reader = new Reader<Response>(file);
    const { databaseType, searchTreeSize } = reader.metadata;
    if (searchTreeSize > file.length) throw invalid('is cut off. Fetch it again');
    if (OTHER_DATA.test(databaseType)) throw invalid('tells something else of addresses than their country');
    reader.get('192.0.2.1');
    return reader;
  } catch (error) {
    throw error instanceof InvalidSettingsError ? error : invalid("is not a file in MaxMind's format (.mmdb)");
  }
}

function invalid(problem: string): InvalidSettingsError {
  return new InvalidSettingsError([`GEO_COUNTRY_FILE: ${problem}.`]);
}
