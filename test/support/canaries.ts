import { randomBytes } from 'node:crypto';

/** Where a value may be seen besides where it was put: nowhere, by the provider it is for, or in what it is asked. */
export type CanaryKind = 'ours' | 'provider-token' | 'content';

interface Canary {
  readonly what: string;
  readonly value: string;
  readonly kind: CanaryKind;
}

type Spelling = readonly [name: string, needle: string, caseCounts: boolean];

const ALL_KINDS: readonly CanaryKind[] = ['ours', 'provider-token', 'content'];
/** What every new value begins with: a text without it, in any spelling, has none of them. */
const MARK = 'canarybird';
const MARK_SPELLINGS = spellings(MARK);

/** Values that are put into requests and looked for afterwards, in every spelling a leak could have. */
export class Canaries {
  readonly #made: Canary[] = [];
  readonly #added: Canary[] = [];

  /** A new value of letters and digits, which URL-encoding and JSON leave as it is. */
  plant(what: string, kind: CanaryKind = 'ours'): string {
    const value = MARK + randomBytes(12).toString('hex');
    this.#made.push({ what, value, kind });
    return value;
  }

  /** A value that exists already: a real secret. */
  add(what: string, value: string): void {
    this.#added.push({ what, value, kind: 'ours' });
  }

  get count(): number {
    return this.#made.length + this.#added.length;
  }

  /** What of the values is in the text, and how it is spelt there. */
  in(text: string, kinds: readonly CanaryKind[] = ALL_KINDS): string[] {
    const lower = text.toLowerCase();
    const isThere = ([, needle, caseCounts]: Spelling) =>
      caseCounts ? text.includes(needle) : lower.includes(needle.toLowerCase());
    const suspects = MARK_SPELLINGS.some(isThere) ? [...this.#made, ...this.#added] : this.#added;
    return suspects
      .filter(({ kind }) => kinds.includes(kind))
      .flatMap(({ what, value }) =>
        spellings(value)
          .filter(isThere)
          .map(([name]) => `${what} (${name})`),
      );
  }
}

function spellings(value: string): Spelling[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((before) => base64Behind(bytes, before));
  return [
    ['plain', value, false],
    ['URL-encoded', encodeURIComponent(value), false],
    ['hex', bytes.toString('hex'), false],
    ...base64.map((needle) => ['base64', needle, true] as const),
    ...base64.map((needle) => ['base64url', needle.replaceAll('+', '-').replaceAll('/', '_'), true] as const),
  ];
}

/** The base64 digits that depend on the bytes alone when so many others stand before them. */
function base64Behind(bytes: Buffer, before: number): string {
  const digits = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  return digits.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
}
