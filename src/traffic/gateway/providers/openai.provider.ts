import { Injectable } from '@nestjs/common';
import { Secret } from '../../../kernel/secret.js';
import { Settings } from '../../../platform/config/settings.js';
import { copyHeaders, upstreamHeaders } from '../provider-headers.js';
import { OPENAI_USAGE, RESPONSES_USAGE, type UsageDialect } from '../usage-tap.js';
import type { IncomingHeaders, Operation, RemoteProvider } from './provider.js';

const PATHS: Partial<Record<Operation, string>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
  responses: '/responses',
};
const BARE_NAME = /^(gpt-|chatgpt-|o\d|text-embedding-|ft:(gpt-|o\d))/;
const GEMINI_EMBEDDING = /^text-embedding-00\d$/;

/** OpenAI, or whatever answers its API at `OPENAI_BASE_URL`. */
@Injectable()
export class OpenAiProvider implements RemoteProvider {
  readonly kind = 'remote';
  readonly name = 'openai';
  readonly operations: ReadonlySet<Operation> = new Set(Object.keys(PATHS) as Operation[]);
  readonly origin: string;
  readonly houseKey: Secret | null;
  private readonly basePath: string;

  constructor(settings: Settings) {
    const base = new URL(settings.OPENAI_BASE_URL);
    this.origin = base.origin;
    this.basePath = base.pathname === '/' ? '' : base.pathname;
    this.houseKey = settings.OPENAI_API_KEY === undefined ? null : new Secret(settings.OPENAI_API_KEY);
  }

  ownsBareName(model: string): boolean {
    return BARE_NAME.test(model) && !GEMINI_EMBEDDING.test(model);
  }

  looksLikeOwnToken(token: string): boolean {
    return token.startsWith('sk-') && !token.startsWith('sk-ant-');
  }

  path(operation: Operation): string {
    return this.basePath + PATHS[operation];
  }

  headers(
    _operation: Operation,
    key: Secret,
    incoming: IncomingHeaders,
    callersOwnKey: boolean,
  ): Record<string, string> {
    const headers = upstreamHeaders();
    headers.authorization = `Bearer ${key.reveal()}`;
    copyHeaders(['openai-beta'], incoming, headers);
    return callersOwnKey ? copyHeaders(['openai-organization', 'openai-project'], incoming, headers) : headers;
  }

  usageDialect(operation: Operation): UsageDialect {
    return operation === 'responses' ? RESPONSES_USAGE : OPENAI_USAGE;
  }

  listModels(key: Secret) {
    const headers = upstreamHeaders();
    headers.authorization = `Bearer ${key.reveal()}`;
    return { path: `${this.basePath}/models`, headers };
  }
}
