import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { ProviderError } from '../../kernel/provider-errors.js';
import { Settings } from '../../platform/config/settings.js';
import { collect } from './collect.js';
import { ModelAccess } from './model-access.js';
import { ModelResolver, type ResolvedModel } from './model-resolver.js';
import { ProviderKeys } from './provider-keys.js';
import type { QueryDto } from './query.dto.js';
import { isObject, type JsonObject } from './request-body.js';
import { failureOfStatus } from './upstream-failure.js';
import { UpstreamPools } from './upstream-pools.js';
import { OPENAI_USAGE, type Usage } from './usage-tap.js';

const MAX_ANSWER_BYTES = 16_777_216;

/** An answer, with the tokens of every call that went into it. */
export interface QueryResult {
  readonly answer: string;
  readonly model: ResolvedModel;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

interface Caller {
  readonly state: AuthState;
  readonly traceparent: string;
  /** Aborted when the caller has left. */
  readonly signal: AbortSignal;
}

interface Message {
  readonly role: 'system' | 'user';
  readonly content: string;
}

interface Completion extends Usage {
  readonly text: string;
}

/** One question, one answer: a chat completion without the chat, with a second model to think first if one is named. */
@Injectable()
export class QueryService {
  constructor(
    private readonly settings: Settings,
    private readonly resolver: ModelResolver,
    private readonly keys: ProviderKeys,
    private readonly pools: UpstreamPools,
    private readonly access: ModelAccess,
  ) {}

  /** The model a query will be answered by. @throws ModelNotFoundError, ModelNotAllowedError, InvalidRequestError */
  modelFor(dto: QueryDto, state: AuthState): ResolvedModel {
    return this.chatModel(dto.model ?? this.settings.QUERY_DEFAULT_MODEL, 'body.model', state);
  }

  /**
   * Asks the model, after the reasoning model if there is one. Both are checked before either is asked.
   *
   * @throws ModelNotFoundError, ModelNotAllowedError, InvalidRequestError, ProviderNotConfiguredError before anything is spent.
   * @throws ProviderError, ProviderTimeoutError when a provider fails; nothing is retried.
   */
  async ask(dto: QueryDto, caller: Caller): Promise<QueryResult> {
    const model = this.modelFor(dto, caller.state);
    const question: Message = { role: 'user', content: dto.query };
    if (dto.reasoning_model === undefined) {
      const { text, inputTokens, outputTokens } = await this.complete(model, [question], caller);
      return { answer: text, model, inputTokens, outputTokens };
    }
    const thinker = this.chatModel(dto.reasoning_model, 'body.reasoning_model', caller.state);
    this.checkKeys(caller.state, thinker, model);
    const thought = await this.complete(thinker, [question], caller);
    const context: Message = { role: 'system', content: `Reasoning about the question that follows:\n${thought.text}` };
    const answer = await this.complete(model, [context, question], caller);
    return {
      answer: answer.text,
      model,
      inputTokens: sum(thought.inputTokens, answer.inputTokens),
      outputTokens: sum(thought.outputTokens, answer.outputTokens),
    };
  }

  private chatModel(name: string, location: string, state: AuthState): ResolvedModel {
    const model = this.resolver.resolve(name);
    this.access.assertAllowed(state, name, model);
    if (!model.provider.operations.has('chat'))
      throw new InvalidRequestError([{ location, message: 'is not a model that chats' }]);
    return model;
  }

  private checkKeys(state: AuthState, ...models: readonly ResolvedModel[]): void {
    for (const { provider } of models) if (provider.kind === 'remote') this.keys.keyFor(state, provider);
  }

  private async complete(
    { provider, upstream, name }: ResolvedModel,
    messages: readonly Message[],
    caller: Caller,
  ): Promise<Completion> {
    if (provider.kind === 'local') {
      const { body, usage } = provider.answer('chat', { model: name, messages }, name, false);
      return { text: textOf(typeof body === 'string' ? body : ''), ...usage };
    }
    const key = this.keys.keyFor(caller.state, provider);
    const headers = provider.headers('chat', key.value, {}, key.callersOwn);
    headers.traceparent = caller.traceparent;
    const answered = await collect({
      pool: this.pools.get(provider),
      method: 'POST',
      path: provider.path('chat', upstream, false),
      headers,
      body: Buffer.from(JSON.stringify({ model: upstream, messages })),
      maxBytes: MAX_ANSWER_BYTES,
      signal: caller.signal,
    });
    if (answered.status !== 200)
      throw failureOfStatus(answered.status, key.callersOwn, answered.headers['retry-after']);
    const text = answered.body.toString();
    return { text: textOf(text), ...usageOf(text) };
  }
}

function sum(one: number | null, other: number | null): number | null {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}

function parse(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    throw new ProviderError('The answer of the provider is not JSON.');
  }
  throw new ProviderError('The answer of the provider is not a chat completion.');
}

function textOf(body: string): string {
  const { choices } = parse(body);
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (isObject(choice) && isObject(choice.message)) {
    const { content } = choice.message;
    if (typeof content === 'string') return content;
    if (content === null || content === undefined) return '';
  }
  throw new ProviderError('The answer of the provider is not a chat completion.');
}

function usageOf(body: string): Usage {
  const { usage } = parse(body);
  return (isObject(usage) ? OPENAI_USAGE.read(usage) : null) ?? { inputTokens: null, outputTokens: null };
}
