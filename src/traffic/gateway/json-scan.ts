/** Where a value stands in a JSON text: the first byte, and the byte after the last. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** The places of the wanted keys of a JSON object, and the first of them that stands there twice. */
export interface TopLevelKeys {
  readonly spans: ReadonlyMap<string, ByteSpan>;
  readonly duplicate: string | null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/**
 * Finds the values of some keys of the outermost object, without building anything. Keys are compared after their
 * escapes are resolved, as every JSON reader does, so `"mod\u0065l"` is `model`.
 *
 * @param bytes a text that `JSON.parse` accepted and whose outermost value is an object; anything else gives nonsense.
 */
export function locateKeys(bytes: Uint8Array, wanted: readonly string[]): TopLevelKeys {
  const spans = new Map<string, ByteSpan>();
  let duplicate: string | null = null;
  let at = skipBlanks(bytes, 0) + 1;
  while (at < bytes.length) {
    at = skipBlanks(bytes, at);
    if (bytes[at] === COMMA) at = skipBlanks(bytes, at + 1);
    if (bytes[at] !== QUOTE) break;
    const keyStart = at;
    at = skipString(bytes, at);
    const name = matchKey(bytes, keyStart, at, wanted);
    at = skipBlanks(bytes, at);
    if (bytes[at] !== COLON) break;
    const start = skipBlanks(bytes, at + 1);
    at = skipValue(bytes, start);
    if (name === null) continue;
    if (spans.has(name)) duplicate ??= name;
    spans.set(name, { start, end: at });
  }
  return { spans, duplicate };
}

/** Whether a text has more than `limit` arrays, objects and strings, names of fields included. */
export function hasMoreParts(bytes: Uint8Array, limit: number): boolean {
  let parts = 0;
  let index = 0;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === QUOTE || byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      parts += 1;
      if (parts > limit) return true;
    }
    index = byte === QUOTE ? skipString(bytes, index) : index + 1;
  }
  return false;
}

/** The index after the value that starts at `at`; the length of the text when the value is cut off. */
export function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return skipScalar(bytes, at);
  let depth = 0;
  let index = at;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === QUOTE) {
      index = skipString(bytes, index);
      continue;
    }
    index += 1;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return index;
    }
  }
  return bytes.length;
}

/** The index of the first byte at or after `at` that is not JSON white space. */
export function skipBlanks(bytes: Uint8Array, at: number): number {
  let index = at;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return index;
    index += 1;
  }
  return index;
}

function skipString(bytes: Uint8Array, at: number): number {
  let index = at + 1;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === QUOTE) return index + 1;
    index += byte === BACKSLASH ? 2 : 1;
  }
  return bytes.length;
}

function skipScalar(bytes: Uint8Array, at: number): number {
  let index = at;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte === undefined || byte <= 0x20) break;
    index += 1;
  }
  return index;
}

function matchKey(bytes: Uint8Array, start: number, end: number, wanted: readonly string[]): string | null {
  let escaped = false;
  for (let index = start + 1; index < end - 1; index += 1) if (bytes[index] === BACKSLASH) escaped = true;
  if (escaped) {
    const key: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString());
    return wanted.find((name) => name === key) ?? null;
  }
  for (const name of wanted) {
    if (name.length === end - start - 2 && equalsAscii(bytes, start + 1, name)) return name;
  }
  return null;
}

function equalsAscii(bytes: Uint8Array, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if (bytes[start + index] !== name.charCodeAt(index)) return false;
  }
  return true;
}
