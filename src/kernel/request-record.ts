/** The kinds of caller a log row can name: a fixed list, so that nothing of a header's own text reaches the log. */
export const CALLER_KINDS = [
  'openai-python',
  'openai-node',
  'anthropic-python',
  'anthropic-node',
  'google-genai',
  'ai-sdk',
  'curl',
  'python',
  'node',
  'go',
  'java',
  'browser',
  'other',
  'none',
] as const;
export type CallerKind = (typeof CALLER_KINDS)[number];

/**
 * The facts of one request, filled in on its way and written as one API-log row when the response closes. It is an
 * allow-list by construction: there is no field a header value, a URL or a body could go into.
 */
export class RequestRecord {
  route: string | null = null;
  status = 0;
  /** The caller left before the whole answer was written. */
  aborted = false;
  latencyMs = 0;
  bytesIn = 0;
  bytesOut = 0;
  authMethod: 'client' | 'byot' | 'jwt' | 'session' | null = null;
  clientId: string | null = null;
  /** Who signed in, or the owner of the key. */
  userId: string | null = null;
  provider: string | null = null;
  /** The model as resolved (`openai/gpt-4o-mini`), or null. Set from our own registry, or cut to 128 safe characters. */
  model: string | null = null;
  stream = false;
  inputTokens: number | null = null;
  outputTokens: number | null = null;
  errorCode: string | null = null;

  constructor(
    readonly requestId: string,
    readonly method: string,
    /** The real client address, after `TRUSTED_PROXIES`. */
    readonly address: string,
    readonly callerKind: CallerKind,
    /** Milliseconds since the Unix epoch. */
    readonly startedAt: number,
  ) {}
}
