import { Controller, Get, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { callerOf } from './gateway.service.js';
import { ModelListService } from './model-list.service.js';
import { ModelDto, ModelPageDto } from './models.dto.js';

/** The list of models, in a form that the SDKs of OpenAI and Anthropic both read. */
@ApiTags('LLM: OpenAI', 'LLM: Anthropic')
@Controller('v1/models')
export class ModelsController {
  constructor(private readonly models: ModelListService) {}

  @Get()
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general')
  @ApiOperation({ summary: 'The models there are for this caller' })
  @ApiOkResponse({ type: ModelPageDto })
  async list(@Req() request: HttpRequest): Promise<ModelPageDto> {
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
  @ApiOperation({ summary: 'One model' })
  @ApiParam({ name: 'path', description: "The model's name.", schema: { type: 'string', example: 'core-nest/echo' } })
  @ApiOkResponse({ type: ModelDto })
  find(@Req() request: HttpRequest): Promise<ModelDto> {
    return this.models.find((request.params as { '*': string })['*'], callerOf(request));
  }
}
