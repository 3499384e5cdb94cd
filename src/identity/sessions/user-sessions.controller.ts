import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Require } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import type { Page } from '../../platform/http/list-query.js';
import { answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { SESSION_LIST, SessionManagement } from './session-management.service.js';
import { SessionPageView, type SessionView } from './session-view.js';
import { currentSessionOf } from './sessions.controller.js';

const ApiUserId = () => ApiParam({ name: 'user_id', schema: { type: 'string', example: 'usr_0123456789ABCDEFGHIJ' } });

/** The sessions of others, for those who may see and end them. */
@ApiTags('sessions')
@Controller('api/v1/users/:user_id/sessions')
export class UserSessionsController {
  constructor(private readonly sessions: SessionManagement) {}

  @Get()
  @Require('sessions:read')
  @ApiOperation({
    summary: "List a user's sessions",
    description: 'Live ones, unless `status=ended` asks for the others.',
  })
  @ApiUserId()
  @ApiListQuery(SESSION_LIST)
  @ApiOkResponse({ type: SessionPageView })
  async list(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Query() raw: Record<string, unknown>,
  ): Promise<Page<SessionView>> {
    await this.sessions.assertUser(userId);
    return this.sessions.list(userId, currentSessionOf(request), raw);
  }

  @Delete(':session_id')
  @Require('sessions:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: "End a user's session" })
  @ApiUserId()
  @ApiParam({ name: 'session_id', schema: { type: 'string', example: 'ses_0123456789ABCDEFGHIJ' } })
  @ApiNoContentResponse({ description: 'Ended: no replica accepts its cookie or its tokens any more.' })
  @ApiAcceptedResponse({ description: 'Ended; not every replica has confirmed it yet.', type: PendingChangeView })
  async end(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Param('session_id') sessionId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const end = { reason: 'ended_by_administrator', origin: originOf(request) } as const;
    // Not told apart from a user who is not there: whoever may end this one session alone must not learn who is.
    return answerEnd(reply, await this.sessions.endOne(userId, sessionId, end));
  }

  @Delete()
  @Require('sessions:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: "End all of a user's sessions" })
  @ApiUserId()
  @ApiNoContentResponse({ description: 'Ended: no replica accepts their cookies or tokens any more.' })
  @ApiAcceptedResponse({ description: 'Ended; not every replica has confirmed it yet.', type: PendingChangeView })
  async endAll(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    await this.sessions.assertUser(userId);
    const end = { reason: 'ended_by_administrator', origin: originOf(request) } as const;
    return answerEnd(reply, await this.sessions.endAll(userId, null, end));
  }
}
