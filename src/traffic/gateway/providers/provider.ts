import type { Secret } from '../../../kernel/secret.js';
import type { JsonObject } from '../request-body.js';
import type { Usage, UsageDialect } from '../usage-tap.js';

/** The list of all providers; another one fits in by adding its file and naming it in `gateway.module.ts`. */
export const PROVIDERS = Symbol('PROVIDERS');

/** What can be asked of a provider, one for each LLM route. */
export type Operation =
  | 'chat'
  | 'completions'
  | 'embeddings'
  | 'responses'
  | 'messages'
  | 'count_tokens'
  | 'generate'
  | 'stream_generate';

/** How each operation is reached here, for messages that tell a caller where to go. */
export const ROUTE_OF: Readonly<Record<Operation, string>> = {
  chat: 'POST /v1/chat/completions',
  completions: 'POST /v1/completions',
  embeddings: 'POST /v1/embeddings',
  responses: 'POST /v1/responses',
  messages: 'POST /v1/messages',
  count_tokens: 'POST /v1/messages/count_tokens',
  generate: 'POST /v1beta/models/{model}:generateContent',
  stream_generate: 'POST /v1beta/models/{model}:streamGenerateContent',
};

/** The request headers a provider may see, by lower-case name. */
export type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

interface NamedProvider {
  /** The part of a model's name before the first slash. */
  readonly name: string;
  readonly operations: ReadonlySet<Operation>;
  /** Whether a model named without a provider is one of this provider's, as its own SDK names them. */
  ownsBareName(model: string): boolean;
}

/** A whole answer, or one that is written event by event. */
export interface LocalAnswer {
  readonly contentType: string;
  readonly body: string | Iterable<string>;
  readonly usage: Usage;
}

/** A provider inside this process. */
export interface LocalProvider extends NamedProvider {
  readonly kind: 'local';
  /**
   * @param model the model's name as the caller gave it, which is what the answer says.
   * @param sse whether a Gemini stream is wanted as server-sent events.
   * @throws InvalidRequestError when the body is not one of this operation's.
   */
  answer(operation: Operation, body: JsonObject, model: string, sse: boolean): LocalAnswer;
  readonly models: readonly string[];
}

/** A provider that is spoken to over HTTP. Its origin comes from the operator's settings and from nothing else. */
export interface RemoteProvider extends NamedProvider {
  readonly kind: 'remote';
  readonly origin: string;
  readonly houseKey: Secret | null;
  /** Whether a token is, by its form, one of this provider's beyond doubt. */
  looksLikeOwnToken(token: string): boolean;
  /** The path, from the base URL's own path on, of an operation. `model` has passed the model-name pattern. */
  path(operation: Operation, model: string, sse: boolean): string;
  /** The headers that carry the key and this provider's own options, taken one by one from the caller's. */
  headers(operation: Operation, key: Secret, incoming: IncomingHeaders, callersOwnKey: boolean): Record<string, string>;
  usageDialect(operation: Operation): UsageDialect | null;
  /** The path and headers of the model list, which answers `{data: [{id}]}`. */
  listModels(key: Secret): { readonly path: string; readonly headers: Record<string, string> };
}

export type Provider = LocalProvider | RemoteProvider;
