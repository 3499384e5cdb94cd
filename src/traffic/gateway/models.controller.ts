import { Controller, Get, Req } from '@nestjs/common';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { callerOf } from './gateway.service.js';
import { ModelListService } from './model-list.service.js';

/** The list of models, in a form that the SDKs of OpenAI and Anthropic both read. */
@Controller('v1/models')
export class ModelsController {
  constructor(private readonly models: ModelListService) {}

  @Get()
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  async list(@Req() request: HttpRequest) {
    const data = await this.models.list(callerOf(request));
    return {
      object: 'list',
      data,
      has_more: false,
      first_id: data.at(0)?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
    };
  }

  /** The rest of the path is the id: it has slashes, which a caller may also send as `%2F`. */
  @Get('*')
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  find(@Req() request: HttpRequest) {
    return this.models.find((request.params as { '*': string })['*'], callerOf(request));
  }
}
