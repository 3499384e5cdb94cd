import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { GatewayService } from './gateway.service.js';

/** Anthropic's API. */
@Controller('v1/messages')
export class AnthropicController {
  constructor(private readonly gateway: GatewayService) {}

  @Post()
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  messages(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('messages', request, reply);
  }

  @Post('count_tokens')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  countTokens(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('count_tokens', request, reply);
  }
}
