import { Injectable } from '@nestjs/common';
import { Secret } from '../../../kernel/secret.js';
import { Settings } from '../../../platform/config/settings.js';
import { upstreamHeaders } from '../provider-headers.js';
import { GEMINI_USAGE, OPENAI_USAGE, type UsageDialect } from '../usage-tap.js';
import type { Operation, RemoteProvider } from './provider.js';

const BARE_NAME = /^(gemini-|text-embedding-00\d$)/;
const OPERATIONS: readonly Operation[] = ['chat', 'embeddings', 'generate', 'stream_generate'];

/** Gemini; `chat` and `embeddings` go to its own OpenAI-compatible endpoints. */
@Injectable()
export class GeminiProvider implements RemoteProvider {
  readonly kind = 'remote';
  readonly name = 'gemini';
  readonly operations: ReadonlySet<Operation> = new Set(OPERATIONS);
  readonly origin: string;
  readonly houseKey: Secret | null;
  private readonly basePath: string;

  constructor(settings: Settings) {
    const base = new URL(settings.GEMINI_BASE_URL);
    this.origin = base.origin;
    this.basePath = base.pathname === '/' ? '' : base.pathname;
    this.houseKey = settings.GEMINI_API_KEY === undefined ? null : new Secret(settings.GEMINI_API_KEY);
  }

  ownsBareName(model: string): boolean {
    return BARE_NAME.test(model);
  }

  looksLikeOwnToken(token: string): boolean {
    return token.startsWith('AIza');
  }

  path(operation: Operation, model: string, sse: boolean): string {
    if (operation === 'chat') return `${this.basePath}/v1beta/openai/chat/completions`;
    if (operation === 'embeddings') return `${this.basePath}/v1beta/openai/embeddings`;
    const path = `${this.basePath}/v1beta/models/${encodeURIComponent(model)}`;
    if (operation === 'generate') return `${path}:generateContent`;
    return sse ? `${path}:streamGenerateContent?alt=sse` : `${path}:streamGenerateContent`;
  }

  headers(operation: Operation, key: Secret): Record<string, string> {
    const headers = upstreamHeaders();
    if (operation === 'chat' || operation === 'embeddings') headers.authorization = `Bearer ${key.reveal()}`;
    else headers['x-goog-api-key'] = key.reveal();
    return headers;
  }

  usageDialect(operation: Operation): UsageDialect {
    return operation === 'chat' || operation === 'embeddings' ? OPENAI_USAGE : GEMINI_USAGE;
  }

  listModels(key: Secret) {
    const headers = upstreamHeaders();
    headers.authorization = `Bearer ${key.reveal()}`;
    return { path: `${this.basePath}/v1beta/openai/models`, headers };
  }
}
