import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { Page } from '../../../platform/http/list-query.js';
import { SessionDayPageView, type SessionDayView } from './session-days.dto.js';
import { SESSION_DAY_LIST, SessionDays } from './session-days.js';

/** How many sign in, by day. */
@ApiTags('sessions')
@Controller('api/v1/session-analytics')
export class SessionDaysController {
  constructor(private readonly days: SessionDays) {}

  @Get()
  @Require('sessions:read')
  @ApiOperation({
    summary: 'Sessions, users, devices and countries by day',
    description: '`country`: of one country. `by=country`: of each country apart. Up to about a minute old.',
  })
  @ApiListQuery(SESSION_DAY_LIST)
  @ApiOkResponse({ type: SessionDayPageView })
  list(@Query() raw: Record<string, unknown>): Promise<Page<SessionDayView>> {
    return this.days.list(raw);
  }
}
