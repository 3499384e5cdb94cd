import { Injectable } from '@nestjs/common';
import { Secret } from '../../../kernel/secret.js';
import { Settings } from '../../../platform/config/settings.js';
import { copyHeaders, upstreamHeaders } from '../provider-headers.js';
import { ANTHROPIC_USAGE, OPENAI_USAGE, type UsageDialect } from '../usage-tap.js';
import type { IncomingHeaders, Operation, RemoteProvider } from './provider.js';

const PATHS: Partial<Record<Operation, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  count_tokens: '/v1/messages/count_tokens',
};
const API_VERSION = '2023-06-01';
const LIST_PAGE = 1000;

/** Anthropic; `chat` goes to its own OpenAI-compatible endpoint. */
@Injectable()
export class AnthropicProvider implements RemoteProvider {
  readonly kind = 'remote';
  readonly name = 'anthropic';
  readonly operations: ReadonlySet<Operation> = new Set(Object.keys(PATHS) as Operation[]);
  readonly origin: string;
  readonly houseKey: Secret | null;
  private readonly basePath: string;

  constructor(settings: Settings) {
    const base = new URL(settings.ANTHROPIC_BASE_URL);
    this.origin = base.origin;
    this.basePath = base.pathname === '/' ? '' : base.pathname;
    this.houseKey = settings.ANTHROPIC_API_KEY === undefined ? null : new Secret(settings.ANTHROPIC_API_KEY);
  }

  ownsBareName(model: string): boolean {
    return model.startsWith('claude-');
  }

  looksLikeOwnToken(token: string): boolean {
    return token.startsWith('sk-ant-');
  }

  path(operation: Operation): string {
    return this.basePath + PATHS[operation];
  }

  headers(operation: Operation, key: Secret, incoming: IncomingHeaders): Record<string, string> {
    const headers = upstreamHeaders();
    if (operation === 'chat') {
      headers.authorization = `Bearer ${key.reveal()}`;
      return headers;
    }
    authorize(headers, key);
    headers['anthropic-version'] = API_VERSION;
    return copyHeaders(['anthropic-version', 'anthropic-beta'], incoming, headers);
  }

  usageDialect(operation: Operation): UsageDialect | null {
    if (operation === 'count_tokens') return null;
    return operation === 'chat' ? OPENAI_USAGE : ANTHROPIC_USAGE;
  }

  listModels(key: Secret) {
    const headers = upstreamHeaders();
    authorize(headers, key);
    headers['anthropic-version'] = API_VERSION;
    return { path: `${this.basePath}/v1/models?limit=${LIST_PAGE}`, headers };
  }
}

/** API keys go in `x-api-key`; OAuth access tokens (`sk-ant-oat…`) are bearer tokens. */
function authorize(headers: Record<string, string>, key: Secret): void {
  const token = key.reveal();
  if (token.startsWith('sk-ant-oat')) headers.authorization = `Bearer ${token}`;
  else headers['x-api-key'] = token;
}
