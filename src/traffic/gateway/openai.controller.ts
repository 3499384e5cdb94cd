import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { GatewayService } from './gateway.service.js';

/** OpenAI's API. The handlers write to the response themselves: bodies pass as bytes, in both directions. */
@Controller('v1')
export class OpenAiController {
  constructor(private readonly gateway: GatewayService) {}

  @Post('chat/completions')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  chat(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('chat', request, reply);
  }

  @Post('completions')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  completions(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('completions', request, reply);
  }

  @Post('embeddings')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  embeddings(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('embeddings', request, reply);
  }

  @Post('responses')
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  responses(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.gateway.serveByBody('responses', request, reply);
  }
}
