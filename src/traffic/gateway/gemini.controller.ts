import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiParam, ApiQuery, ApiTags } from '@nestjs/swagger';
import { NotFoundError } from '../../kernel/app-error.js';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { GatewayService } from './gateway.service.js';
import { LlmOperation } from './llm-operation.decorator.js';
import type { Operation } from './providers/provider.js';

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ['generateContent', 'generate'],
  ['streamGenerateContent', 'stream_generate'],
]);

/**
 * Gemini's API, which names the model and the method in the path: `models/{model}:{method}`. Google's SDK for
 * JavaScript asks under `/v1` since its version 3, the others under `/v1beta`; a provider is always asked under `/v1beta`,
 * which knows all that `/v1` does.
 */
@ApiTags('LLM: Gemini')
@Controller(['v1beta/models', 'v1/models'])
export class GeminiController {
  constructor(private readonly gateway: GatewayService) {}

  @Post('*')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @ApiParam({
    name: 'path',
    description: '`{model}:generateContent` or `{model}:streamGenerateContent`',
    schema: { type: 'string', example: 'core-nest/echo:generateContent' },
  })
  @ApiQuery({
    name: 'alt',
    required: false,
    description: 'Streams as events.',
    schema: { type: 'string', enum: ['sse'] },
  })
  @LlmOperation('Content, whole or streamed', { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] })
  invoke(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const target = (request.params as { '*': string })['*'];
    const colon = target.lastIndexOf(':');
    const operation = OPERATIONS.get(target.slice(colon + 1));
    if (colon < 0 || operation === undefined)
      throw new NotFoundError(
        'The methods here are models/{model}:generateContent and models/{model}:streamGenerateContent.',
      );
    const { alt } = request.query as Readonly<Record<string, unknown>>;
    return this.gateway.serveByPath(operation, target.slice(0, colon), alt === 'sse', request, reply);
  }
}
