import { writeFileSync } from 'node:fs';

type Value = string | number | readonly Value[] | { readonly [name: string]: Value };

const MAP = 7;
const TEXT = 2;
const DOUBLE = 3;
const UINT32 = 6;
const ARRAY = 11;
const EXTENDED = 7;
const SEPARATOR = 16;
const MARK = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');

/**
 * Writes a file in MaxMind's format (version 2.0) for IPv4 addresses, to give `GEO_COUNTRY_FILE`.
 *
 * @param entries what it says of each address.
 */
export function writeMmdb(path: string, entries: Readonly<Record<string, Value>>, databaseType = 'Test-City'): void {
  const data: Buffer[] = [];
  const offsets = Object.values(entries).map((entry) => {
    const offset = data.reduce((sum, { length }) => sum + length, 0);
    data.push(encode(entry));
    return offset;
  });
  const nodes = treeOf(Object.keys(entries), offsets);
  const tree = Buffer.concat(nodes.flatMap((node) => node.map((record) => uint24(resolve(record, nodes.length)))));
  const metadata = encode({
    node_count: nodes.length,
    record_size: 24,
    ip_version: 4,
    database_type: databaseType,
    languages: [],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    description: {},
  });
  writeFileSync(path, Buffer.concat([tree, Buffer.alloc(SEPARATOR), ...data, MARK, metadata]));
}

type Branch = { readonly node: number } | { readonly data: number } | null;

function treeOf(addresses: readonly string[], offsets: readonly number[]): [Branch, Branch][] {
  const nodes: [Branch, Branch][] = [[null, null]];
  for (const [index, address] of addresses.entries()) {
    const bits = address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
    let at = 0;
    for (const [depth, bit] of [...bits].entries()) {
      const node = nodes[at] as [Branch, Branch];
      const side = bit === '1' ? 1 : 0;
      const branch = node[side];
      if (depth === bits.length - 1) node[side] = { data: offsets[index] ?? 0 };
      else if (branch !== null && 'node' in branch) at = branch.node;
      else {
        at = nodes.push([null, null]) - 1;
        node[side] = { node: at };
      }
    }
  }
  return nodes;
}

function resolve(branch: Branch, nodeCount: number): number {
  if (branch === null) return nodeCount;
  return 'node' in branch ? branch.node : nodeCount + SEPARATOR + branch.data;
}

function uint24(value: number): Buffer {
  const bytes = Buffer.alloc(3);
  bytes.writeUIntBE(value, 0, 3);
  return bytes;
}

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from([(TEXT << 5) | value.length]), Buffer.from(value)]);
  if (typeof value === 'number') return encodeNumber(value);
  if (Array.isArray(value))
    return Buffer.concat([Buffer.from([value.length, ARRAY - EXTENDED]), ...value.map((item: Value) => encode(item))]);
  const pairs = Object.entries(value).flatMap(([name, item]) => [encode(name), encode(item)]);
  return Buffer.concat([Buffer.from([(MAP << 5) | (pairs.length / 2)]), ...pairs]);
}

function encodeNumber(value: number): Buffer {
  const whole = Number.isInteger(value) && value >= 0;
  const bytes = Buffer.alloc(whole ? 5 : 9);
  bytes[0] = whole ? (UINT32 << 5) | 4 : (DOUBLE << 5) | 8;
  if (whole) bytes.writeUInt32BE(value, 1);
  else bytes.writeDoubleBE(value, 1);
  return bytes;
}
