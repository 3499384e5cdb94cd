import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AllowByot, RateClasses, Require } from '../../kernel/handler-marks.js';
import { ProviderError } from '../../kernel/provider-errors.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { callerOf } from './gateway.service.js';
import { QueryAnswerView, QueryDto } from './query.dto.js';
import { QueryService } from './query.service.js';

/** core-nest's own way to ask a model one question. */
@ApiTags('query')
@Controller('api/v1/query')
export class QueryController {
  constructor(private readonly queries: QueryService) {}

  @Post()
  @HttpCode(200)
  @Require('llm:invoke')
  @AllowByot()
  @RateClasses('general', 'query')
  @ApiOperation({ summary: 'Ask a model one question' })
  @ApiOkResponse({ type: QueryAnswerView })
  async ask(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
    @JsonBody(QueryDto) dto: QueryDto,
  ): Promise<QueryAnswerView> {
    const { record, traceparent } = request;
    const state = callerOf(request);
    const asked = this.queries.modelFor(dto, state);
    record.provider = asked.provider.name;
    record.model = asked.name;
    const left = new AbortController();
    reply.raw.once('close', () => left.abort(new ProviderError('The caller left before the answer.')));
    const result = await this.queries.ask(dto, { state, traceparent, signal: left.signal });
    record.inputTokens = result.inputTokens;
    record.outputTokens = result.outputTokens;
    return {
      answer: result.answer,
      model: result.model.name,
      usage: {
        input_tokens: result.inputTokens,
        output_tokens: result.outputTokens,
        total_tokens:
          result.inputTokens === null || result.outputTokens === null ? null : result.inputTokens + result.outputTokens,
      },
      request_id: record.requestId,
    };
  }
}
