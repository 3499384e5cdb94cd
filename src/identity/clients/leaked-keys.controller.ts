import { Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  ApiTooManyRequestsResponse,
} from '@nestjs/swagger';
import { Public } from '../../kernel/handler-marks.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { presentPending } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { LEAK_REPORT_LIMIT_BYTES, LeakedKeyView, LeakReportDto } from './leaked-keys.dto.js';
import { LeakedKeysService } from './leaked-keys.service.js';

/** Where anybody reports a leaked key. It needs no credential: the key is the proof. */
@ApiTags('clients')
@Controller('api/v1/leaked-keys')
export class LeakedKeysController {
  constructor(private readonly leaks: LeakedKeysService) {}

  @Post()
  @Public()
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Have a leaked API key revoked',
    description:
      'Needs no credential. Whoever presents the whole key of a client has it revoked, everywhere and for good.',
  })
  @ApiOkResponse({ type: LeakedKeyView, description: 'Revoked on every replica.' })
  @ApiAcceptedResponse({ type: LeakedKeyView, description: 'Revoked; not every replica has confirmed it yet.' })
  @ApiBadRequestResponse({ description: 'No whole API key: the checksum does not match.' })
  @ApiNotFoundResponse({ description: 'No key that works now; whether it ever did is not told.' })
  @ApiTooManyRequestsResponse({ description: 'Too many wrong keys from this address.' })
  async report(
    @Req() request: HttpRequest,
    @JsonBody(LeakReportDto, LEAK_REPORT_LIMIT_BYTES) { api_key }: LeakReportDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<LeakedKeyView> {
    const { clientId, hint, propagation } = await this.leaks.report(api_key, request.attempt, originOf(request));
    const pending = presentPending(propagation);
    if (pending !== null) reply.status(HttpStatus.ACCEPTED);
    return { revoked: true, client_id: clientId, hint, ...pending };
  }
}
