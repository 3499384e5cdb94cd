import { skipBlanks, skipValue } from './json-scan.js';

/** Token counts, null where they are not known. */
export interface Usage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

/** How a provider's wire format tells the tokens that were used. */
export interface UsageDialect {
  /** The key of the object that holds the counts. */
  readonly key: 'usage' | 'usageMetadata';
  /** Null when the object is not a usage object of this dialect. */
  read(counts: Readonly<Record<string, unknown>>): Usage | null;
  /** The counts of the input stand in the first event of a stream, not in the last. */
  readonly inputComesFirst: boolean;
}

const TAIL_BYTES = 16_384;
const HEAD_BYTES = 8_192;
const QUOTED_KEYS = { usage: Buffer.from('"usage"'), usageMetadata: Buffer.from('"usageMetadata"') };

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** Chat completions, completions and embeddings. Cached input and reasoning are part of the two counts. */
export const OPENAI_USAGE: UsageDialect = {
  key: 'usage',
  inputComesFirst: false,
  read: (counts) => {
    const inputTokens = count(counts.prompt_tokens);
    return inputTokens === null ? null : { inputTokens, outputTokens: count(counts.completion_tokens) ?? 0 };
  },
};

/** OpenAI's Responses. */
export const RESPONSES_USAGE: UsageDialect = {
  key: 'usage',
  inputComesFirst: false,
  read: (counts) => {
    const inputTokens = count(counts.input_tokens);
    return inputTokens === null ? null : { inputTokens, outputTokens: count(counts.output_tokens) ?? 0 };
  },
};

/** Anthropic's messages. Input read from or written to the prompt cache is told apart there, and added up here. */
export const ANTHROPIC_USAGE: UsageDialect = {
  key: 'usage',
  inputComesFirst: true,
  read: (counts) => {
    const fresh = count(counts.input_tokens);
    const outputTokens = count(counts.output_tokens);
    if (fresh === null && outputTokens === null) return null;
    const cached = (count(counts.cache_creation_input_tokens) ?? 0) + (count(counts.cache_read_input_tokens) ?? 0);
    return { inputTokens: fresh === null ? null : fresh + cached, outputTokens };
  },
};

/** Gemini's generateContent. Thoughts are output. */
export const GEMINI_USAGE: UsageDialect = {
  key: 'usageMetadata',
  inputComesFirst: false,
  read: (counts) => {
    const inputTokens = count(counts.promptTokenCount);
    if (inputTokens === null) return null;
    return {
      inputTokens,
      outputTokens: (count(counts.candidatesTokenCount) ?? 0) + (count(counts.thoughtsTokenCount) ?? 0),
    };
  },
};

/**
 * Watches a response go by and tells, at its end, the tokens it reports: the last usage object within the last 16 kB,
 * for which nothing else is parsed. The text a model wrote cannot pass for one, since quotes inside a JSON string are
 * escaped. Keeps references to the chunks, no copies.
 */
export class UsageTap {
  private older: Buffer[] = [];
  private newer: Buffer[] = [];
  private newerBytes = 0;
  private head: Buffer[] | null;
  private headBytes = 0;

  private readonly quotedKey: Buffer;

  constructor(private readonly dialect: UsageDialect) {
    this.head = dialect.inputComesFirst ? [] : null;
    this.quotedKey = QUOTED_KEYS[dialect.key];
  }

  /** Takes the next bytes of the response. */
  push(chunk: Buffer): void {
    if (this.head !== null && this.headBytes < HEAD_BYTES) {
      this.head.push(chunk);
      this.headBytes += chunk.length;
    }
    if (this.newerBytes >= TAIL_BYTES) {
      this.older = this.newer;
      this.newer = [];
      this.newerBytes = 0;
    }
    this.newer.push(chunk);
    this.newerBytes += chunk.length;
  }

  /** What was told so far; both counts null when nothing was. */
  read(): Usage {
    const tail = concat(this.older.length === 0 ? this.newer : [...this.older, ...this.newer]);
    const last = this.findLast(tail.subarray(Math.max(0, tail.length - 2 * TAIL_BYTES)));
    const first = this.head === null ? null : this.findFirst(concat(this.head));
    return {
      inputTokens: last?.inputTokens ?? first?.inputTokens ?? null,
      outputTokens: last?.outputTokens ?? first?.outputTokens ?? null,
    };
  }

  private findLast(bytes: Buffer): Usage | null {
    const quoted = this.quotedKey;
    for (let at = bytes.lastIndexOf(quoted); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(quoted, at - 1)) {
      const usage = this.readAt(bytes, at + quoted.length);
      if (usage !== null) return usage;
    }
    return null;
  }

  private findFirst(bytes: Buffer): Usage | null {
    const quoted = this.quotedKey;
    for (let at = bytes.indexOf(quoted); at >= 0; at = bytes.indexOf(quoted, at + 1)) {
      const usage = this.readAt(bytes, at + quoted.length);
      if (usage !== null) return usage;
    }
    return null;
  }

  private readAt(bytes: Buffer, afterKey: number): Usage | null {
    const colon = skipBlanks(bytes, afterKey);
    if (bytes[colon] !== 0x3a) return null;
    const start = skipBlanks(bytes, colon + 1);
    if (bytes[start] !== 0x7b) return null;
    const end = skipValue(bytes, start);
    try {
      return this.dialect.read(JSON.parse(bytes.subarray(start, end).toString()));
    } catch {
      return null;
    }
  }
}

function concat(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
}
