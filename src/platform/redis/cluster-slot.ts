const SLOTS = 16_384;
/** CRC-16/XMODEM, as Redis Cluster takes it, by byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** The slot of a Redis Cluster that holds a key: that of its first `{hash tag}`, if it has one that is not empty. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const [from, to] = close > open + 1 ? [open + 1, close] : [0, key.length];
  let crc = 0;
  for (let index = from; index < to; index += 1) {
    const code = key.charCodeAt(index);
    if (code > 127) return slotOfBytes(Buffer.from(key.slice(from, to)));
    crc = add(crc, code);
  }
  return crc % SLOTS;
}

function slotOfBytes(bytes: Uint8Array): number {
  return bytes.reduce(add, 0) % SLOTS;
}

function add(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] as number);
}
