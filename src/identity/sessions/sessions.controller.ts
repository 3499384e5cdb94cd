import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { type FieldError, InvalidRequestError } from '../../kernel/app-error.js';
import { selfOf } from '../../kernel/auth-state.js';
import { RequireSelf } from '../../kernel/handler-marks.js';
import { UserRequiredError } from '../../kernel/identity-errors.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import type { Page } from '../../platform/http/list-query.js';
import { answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { originOf } from '../../records/audit/audit.service.js';
import { clearSessionCookie } from './session-cookie.js';
import { SESSION_LIST, SessionManagement } from './session-management.service.js';
import { SessionPageView, type SessionView } from './session-view.js';

/** A caller's own sessions: of whoever is signed in, or of the owner of the key that calls. */
@ApiTags('sessions')
@Controller('api/v1/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionManagement) {}

  @Get()
  @RequireSelf('sessions:read')
  @ApiOperation({ summary: 'List your sessions', description: 'Live ones, unless `status=ended` asks for the others.' })
  @ApiListQuery(SESSION_LIST)
  @ApiOkResponse({ type: SessionPageView })
  list(@Req() request: HttpRequest, @Query() raw: Record<string, unknown>): Promise<Page<SessionView>> {
    return this.sessions.list(callerOf(request), currentSessionOf(request), raw);
  }

  @Delete(':session_id')
  @RequireSelf('sessions:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'End a session of yours' })
  @ApiParam({ name: 'session_id', schema: { type: 'string', example: 'ses_0123456789ABCDEFGHIJ' } })
  @ApiNoContentResponse({ description: 'Ended: no replica accepts its cookie or its tokens any more.' })
  @ApiAcceptedResponse({ description: 'Ended; not every replica has confirmed it yet.', type: PendingChangeView })
  async end(
    @Req() request: HttpRequest,
    @Param('session_id') sessionId: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const end = { reason: 'ended', origin: originOf(request) } as const;
    const propagation = await this.sessions.endOne(callerOf(request), sessionId, end);
    if (sessionId === currentSessionOf(request)) forgetCookie(request, reply);
    return answerEnd(reply, propagation);
  }

  @Delete()
  @RequireSelf('sessions:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'End all your sessions', description: '`except=current`: all but the one that asks.' })
  @ApiQuery({ name: 'except', required: false, schema: { type: 'string', enum: ['current'] } })
  @ApiNoContentResponse({ description: 'Ended: no replica accepts their cookies or tokens any more.' })
  @ApiAcceptedResponse({ description: 'Ended; not every replica has confirmed it yet.', type: PendingChangeView })
  async endAll(
    @Req() request: HttpRequest,
    @Query() raw: Record<string, unknown>,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const keepsCurrent = readExcept(raw);
    const end = { reason: 'ended', origin: originOf(request) } as const;
    const except = keepsCurrent ? currentSessionOf(request) : null;
    const propagation = await this.sessions.endAll(callerOf(request), except, end);
    if (!keepsCurrent) forgetCookie(request, reply);
    return answerEnd(reply, propagation);
  }
}

function callerOf({ identity }: HttpRequest): string {
  const userId = identity === null ? null : selfOf(identity.state);
  if (userId === null) throw new UserRequiredError();
  return userId;
}

/** The session a request came with; null: with a key. */
export function currentSessionOf({ identity }: HttpRequest): string | null {
  return identity?.state.kind === 'user' ? identity.state.sessionId : null;
}

function forgetCookie({ identity }: HttpRequest, reply: HttpReply): void {
  if (identity?.state.method === 'session') reply.header('set-cookie', clearSessionCookie());
}

function readExcept(raw: Readonly<Record<string, unknown>>): boolean {
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(raw)) {
    const location = `query.${name.slice(0, 64)}`;
    if (name !== 'except') errors.push({ location, message: 'is not a parameter of this route' });
    else if (value !== 'current') errors.push({ location, message: 'must be current' });
  }
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return raw.except !== undefined;
}
