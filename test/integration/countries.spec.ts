import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidSettingsError } from '../../src/platform/config/load-settings.js';
import { Countries } from '../../src/platform/geo/countries.js';
import { writeMmdb } from '../support/mmdb-file.js';

const folder = mkdtempSync(join(tmpdir(), 'countries-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shipped = new Countries({});

const fileOf = (...args: Parameters<typeof writeMmdb> extends [string, ...infer Rest] ? Rest : never) => {
  const path = join(folder, `${args[1] ?? 'city'}.mmdb`);
  writeMmdb(path, ...args);
  return new Countries({ GEO_COUNTRY_FILE: path });
};

describe('the country of an address', () => {
  it.each([
    ['8.8.8.8', 'US'],
    ['81.2.69.160', 'GB'],
    ['2001:4860:4860::8888', 'US'],
  ])('%s is found in the file that is shipped', (address, country) => {
    expect(shipped.of(address)).toBe(country);
    expect(shipped.placeOf(address)?.radiusKm).toBeGreaterThan(500);
  });

  it.each([
    '10.1.2.3',
    '127.0.0.1',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '224.0.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::1',
    '::',
    'fd00::1',
    'fe80::1',
    'ff02::1',
    'unknown',
    '',
  ])('%p has none', (address) => {
    expect(shipped.of(address)).toBeNull();
    expect(shipped.placeOf(address)).toBeNull();
  });

  it("is read as MaxMind's own files spell it, with the place where they know it", () => {
    const countries = fileOf({
      '10.0.0.1': { country: { iso_code: 'DE' } },
      '192.0.2.1': { country: { iso_code: 'DE' }, location: { latitude: 52.5, longitude: 13.4, accuracy_radius: 20 } },
      '192.0.2.2': { country: { iso_code: 'BR' }, location: { latitude: -23.5, longitude: -46.6 } },
      '192.0.2.3': { country: { iso_code: 'DE' } },
      '192.0.2.4': { country: { iso_code: 'de' } },
      '192.0.2.5': { country_code: 'QZ' },
      '192.0.2.6': { traits: 'none' },
    });
    expect(
      ['10.0.0.1', '192.0.2.1', '192.0.2.4', '192.0.2.5', '192.0.2.6', '192.0.2.7'].map((a) => countries.of(a)),
    ).toEqual([null, 'DE', null, 'QZ', null, null]);
    expect(countries.placeOf('192.0.2.1')).toEqual({ latitude: 52.5, longitude: 13.4, radiusKm: 20 });
    expect(countries.placeOf('192.0.2.2')).toEqual({ latitude: -23.5, longitude: -46.6, radiusKm: 200 });
    expect(countries.placeOf('192.0.2.3')).toEqual({ latitude: 51.1, longitude: 10.4, radiusKm: 600 });
    expect(countries.placeOf('192.0.2.5')).toBeNull();
    expect(countries.of('2001:db8::1')).toBeNull();
  });
});

describe('a file that cannot be used ends the start', () => {
  const problem = (path: string) => {
    try {
      return new Countries({ GEO_COUNTRY_FILE: path });
    } catch (error) {
      return error instanceof InvalidSettingsError ? error.problems : error;
    }
  };
  const written = (name: string, content: Buffer | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it('missing, a folder, or not readable', () => {
    const text = 'GEO_COUNTRY_FILE: cannot be read. Name a file that is there, or none to use the one that is shipped.';
    expect([problem('/nowhere/canary.mmdb'), problem(folder)]).toEqual([[text], [text]]);
  });

  it('empty, some other format, or cut anywhere', () => {
    const whole = readFileSync(
      createRequire(import.meta.url).resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'),
    );
    const text = "GEO_COUNTRY_FILE: is not a file in MaxMind's format (.mmdb).";
    expect(problem(written('empty.mmdb', ''))).toEqual([text]);
    expect(problem(written('text.mmdb', 'country,code\n'.repeat(1_000)))).toEqual([text]);
    expect(problem(written('head.mmdb', whole.subarray(0, whole.length / 2)))).toEqual([text]);
    expect(problem(written('tail.mmdb', whole.subarray(whole.length / 2)))).toEqual([
      'GEO_COUNTRY_FILE: is cut off. Fetch it again.',
    ]);
  });

  it('of something else than countries', () => {
    writeMmdb(join(folder, 'asn.mmdb'), { '192.0.2.1': { autonomous_system_number: 64_500 } }, 'GeoLite2-ASN');
    expect(problem(join(folder, 'asn.mmdb'))).toEqual([
      'GEO_COUNTRY_FILE: tells something else of addresses than their country.',
    ]);
  });

  it('and one whose data is broken further in gives no country', () => {
    const path = join(folder, 'broken.mmdb');
    writeMmdb(path, { '8.8.4.4': { country_code: 'US' } });
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('country_code') - 1] = 0x3f;
    writeFileSync(path, bytes);
    expect(new Countries({ GEO_COUNTRY_FILE: path }).of('8.8.4.4')).toBeNull();
  });
});
