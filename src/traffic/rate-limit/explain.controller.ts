import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { ExplainService } from './explain.service.js';
import { ExplanationView, presentExplanation } from './explain.view.js';
import { ExplainDto } from './rate-limits.dto.js';

/** Why a request was refused, or would be. */
@ApiTags('rate limits')
@Controller('api/v1/rate-limits/explain')
export class ExplainController {
  constructor(private readonly explanations: ExplainService) {}

  @Post()
  @HttpCode(200)
  @Require('limits:read')
  @ApiOperation({ summary: 'Say what would be decided on requests of a client or user, and why, taking nothing' })
  @ApiOkResponse({ type: ExplanationView })
  async explain(@JsonBody(ExplainDto) body: ExplainDto): Promise<ExplanationView> {
    return presentExplanation(await this.explanations.explain(body));
  }
}
