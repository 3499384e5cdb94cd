import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { GatewayService } from './gateway.service.js';
import { LlmOperation } from './llm-operation.decorator.js';

const QUESTION = { model: 'core-nest/echo', messages: [{ role: 'user', content: 'Hello' }] };

/** Anthropic's API. */
@ApiTags('LLM: Anthropic')
@Controller('v1/messages')
export class AnthropicController {
  constructor(private readonly gateway: GatewayService) {}

  @Post()
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Message', { ...QUESTION, max_tokens: 64 })
  messages(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('messages', request, reply);
  }

  @Post('count_tokens')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @LlmOperation('Count the tokens of a message', QUESTION)
  countTokens(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('count_tokens', request, reply);
  }
}
