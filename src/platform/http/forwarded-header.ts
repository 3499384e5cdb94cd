/** What one hop says in `Forwarded` (RFC 7239): who it got the request from, and over what. Null where it does not say. */
export interface ForwardedElement {
  readonly for: string | null;
  readonly proto: string | null;
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const SEMICOLON = 59;
const PAIR = /^[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")[ \t]*$/s;

/**
 * Where the element that ends at `end` begins, read from the right: what stands to the left of it was written by
 * somebody farther away and must not be able to change how it reads, whatever quotes it leaves open. -1 when it never
 * begins, because a quoted text in it does not.
 */
export function startOfElement(header: string, end: number): number {
  return startAfter(header, end, COMMA);
}

/** Reads one element; null when it is not one, which includes a parameter that is there twice. */
export function readForwardedElement(text: string): ForwardedElement | null {
  const found = new Map<string, string>();
  for (let end = text.length; end >= 0; ) {
    const start = startAfter(text, end, SEMICOLON);
    if (start === -1) return null;
    const pair = text.slice(start, end);
    // An empty pair is no more than a stray semicolon.
    if (pair.trim() !== '') {
      const [, name, token, quoted] = PAIR.exec(pair) ?? [];
      if (name === undefined || found.has(name.toLowerCase())) return null;
      found.set(name.toLowerCase(), token ?? (quoted as string).replace(/\\(.)/gs, '$1'));
    }
    end = start - 1;
  }
  return { for: found.get('for') ?? null, proto: found.get('proto')?.toLowerCase() ?? null };
}

/** Where the part before `end` begins: after the nearest `separator` to the left that is in no quoted text, or at 0. */
function startAfter(text: string, end: number, separator: number): number {
  let quoted = false;
  for (let index = end - 1; index >= 0; index -= 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE && !(quoted && isEscaped(text, index))) quoted = !quoted;
    else if (code === separator && !quoted) return index + 1;
  }
  return quoted ? -1 : 0;
}

/** Whether an odd number of backslashes stands before the character. */
function isEscaped(text: string, index: number): boolean {
  let before = index - 1;
  while (before >= 0 && text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (index - before) % 2 === 0;
}
