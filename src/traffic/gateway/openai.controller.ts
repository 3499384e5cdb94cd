import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { GatewayService } from './gateway.service.js';
import { LlmOperation } from './llm-operation.decorator.js';

const MODEL = 'core-nest/echo';

/** OpenAI's API. The handlers write to the response themselves: bodies pass as bytes, in both directions. */
@ApiTags('LLM: OpenAI')
@Controller('v1')
export class OpenAiController {
  constructor(private readonly gateway: GatewayService) {}

  @Post('chat/completions')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Chat completion', { model: MODEL, messages: [{ role: 'user', content: 'Hello' }] })
  chat(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('chat', request, reply);
  }

  @Post('completions')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Completion of a prompt', { model: MODEL, prompt: 'Hello' })
  completions(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('completions', request, reply);
  }

  @Post('embeddings')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Embeddings of texts', { model: MODEL, input: 'Hello', dimensions: 8 })
  embeddings(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('embeddings', request, reply);
  }

  @Post('responses')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Response', { model: MODEL, input: 'Hello' })
  responses(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('responses', request, reply);
  }
}
