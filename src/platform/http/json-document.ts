import { MalformedBodyError } from '../../kernel/app-error.js';

const MAX_DEPTH = 32;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON document strictly: valid UTF-8, no name twice in one object (readers disagree on which one counts), no
 * `__proto__` or `constructor.prototype`, at most 32 levels deep, and no NUL in any text (PostgreSQL has none: 22021).
 *
 * @throws MalformedBodyError saying which of these it was, never quoting the document.
 */
export function parseJsonDocument(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new MalformedBodyError('The body is not a JSON document in UTF-8.');
  }
  assertNamesOnce(text);
  assertHarmless(value);
  return value;
}

/** Walks a document that is known to be valid JSON and looks at each name of each object. */
function assertNamesOnce(text: string): void {
  const names: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === '{' || char === '[') {
      names.push(char === '{' ? new Set() : null);
      if (names.length > MAX_DEPTH) throw new MalformedBodyError(`The body is nested deeper than ${MAX_DEPTH} levels.`);
    } else if (char === '}' || char === ']') names.pop();
    else if (char === '"') {
      const end = endOfText(text, i);
      const known = names.at(-1);
      if (known && isName(text, end)) {
        const name = JSON.parse(text.slice(i, end + 1)) as string;
        if (known.has(name)) throw new MalformedBodyError('The body has an object with the same name twice.');
        known.add(name);
      }
      i = end;
    }
  }
}

function endOfText(text: string, start: number): number {
  let i = start + 1;
  for (; text.charCodeAt(i) !== QUOTE; i += 1) if (text.charCodeAt(i) === BACKSLASH) i += 1;
  return i;
}

function isName(text: string, end: number): boolean {
  let i = end + 1;
  while (' \t\r\n'.includes(text.charAt(i))) i += 1;
  return text[i] === ':';
}

function assertHarmless(value: unknown): void {
  if (typeof value === 'string') {
    if (value.includes('\u0000')) throw new MalformedBodyError('The body has a text with a NUL character.');
  } else if (Array.isArray(value)) {
    for (const item of value) assertHarmless(item);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      const poisons =
        name === '__proto__' ||
        (name === 'constructor' && typeof item === 'object' && item !== null && Object.hasOwn(item, 'prototype'));
      if (poisons) throw new MalformedBodyError('The body has a name that is not allowed.');
      assertHarmless(name);
      assertHarmless(item);
    }
  }
}
