import { Injectable } from '@nestjs/common';
import { Clock } from '../../../kernel/clock.js';
import { echoCountTokens, echoMessages } from '../echo/echo-anthropic.js';
import { echoEmbeddings } from '../echo/echo-embeddings.js';
import { echoGemini } from '../echo/echo-gemini.js';
import { echoChat, echoCompletion } from '../echo/echo-openai.js';
import { echoResponses } from '../echo/echo-responses.js';
import type { JsonObject } from '../request-body.js';
import { type LocalAnswer, type LocalProvider, type Operation, ROUTE_OF } from './provider.js';

/**
 * The provider that needs nobody: it says back the last thing the user said, in the format of the route it was asked
 * on, and reports usage. Everybody may use it, and a provider token beside it is not looked at.
 */
@Injectable()
export class EchoProvider implements LocalProvider {
  readonly kind = 'local';
  readonly name = 'core-nest';
  readonly models = ['echo'];
  readonly operations: ReadonlySet<Operation> = new Set(Object.keys(ROUTE_OF) as Operation[]);

  constructor(private readonly clock: Clock) {}

  ownsBareName(): boolean {
    return false;
  }

  answer(operation: Operation, body: JsonObject, model: string, sse: boolean): LocalAnswer {
    const seconds = Math.floor(this.clock.now() / 1000);
    switch (operation) {
      case 'chat':
        return echoChat(body, model, seconds);
      case 'completions':
        return echoCompletion(body, model, seconds);
      case 'embeddings':
        return echoEmbeddings(body, model);
      case 'responses':
        return echoResponses(body, model, seconds);
      case 'messages':
        return echoMessages(body, model);
      case 'count_tokens':
        return echoCountTokens(body);
      case 'generate':
        return echoGemini(body, model, 'whole');
      case 'stream_generate':
        return echoGemini(body, model, sse ? 'sse' : 'array');
    }
  }
}
