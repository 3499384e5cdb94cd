import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { Require, WithinReach } from '../../kernel/handler-marks.js';
import { ApiListQuery } from '../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../platform/http/http-request.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import type { Page } from '../../platform/http/list-query.js';
import { answerChange, answerEnd, PendingChangeView } from '../../platform/http/pending-change.js';
import { UserChangesService } from './user-changes.service.js';
import { ApiUserId } from './user-id.param.js';
import { UserInvites } from './user-invites.service.js';
import { UserManagers } from './user-managers.js';
import { MailPromisedView, PendingUserView, presentUser, UserPageView, UserView } from './user-view.js';
import { ACCOUNT_BODY_LIMIT_BYTES, CreateUserDto, UpdateUserDto } from './users.dto.js';
import { UsersService } from './users.service.js';
import { USER_LIST, UsersListService } from './users-list.service.js';

/** Management of people. */
@ApiTags('users')
@Controller('api/v1/users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly invites: UserInvites,
    private readonly changes: UserChangesService,
    private readonly lists: UsersListService,
    private readonly managers: UserManagers,
  ) {}

  @Post()
  @Require('users:write')
  @ApiOperation({
    summary: 'Invite somebody',
    description: 'They get a mail with a token that is good for seven days, and set their own password with it.',
  })
  @ApiCreatedResponse({ type: UserView, description: 'Made; the mail is promised.' })
  @ApiConflictResponse({ description: 'There is a user with this e-mail address.' })
  async invite(
    @Req() request: HttpRequest,
    @JsonBody(CreateUserDto, ACCOUNT_BODY_LIMIT_BYTES) body: CreateUserDto,
  ): Promise<UserView> {
    const { initial_roles: roleIds = [], ...input } = body;
    const manager = this.managers.of(request);
    if (roleIds.length === 0) return presentUser(await this.users.invite(manager, input));
    return presentUser(await this.invites.invite(manager, this.managers.givingRoles(request), input, roleIds));
  }

  @Get()
  @Require('users:read')
  @WithinReach('users')
  @ApiOperation({
    summary: 'List the users',
    description: '`email`: in any spelling. `role`: the name of a role that was granted to them, for whatever.',
  })
  @ApiListQuery(USER_LIST)
  @ApiOkResponse({ type: UserPageView })
  list(@Req() request: HttpRequest, @Query() raw: Record<string, unknown>): Promise<Page<UserView>> {
    return this.lists.list(raw, this.managers.visibleTo(request));
  }

  @Get(':user_id')
  @Require('users:read')
  @ApiOperation({ summary: 'Show a user' })
  @ApiUserId()
  @ApiOkResponse({ type: UserView })
  async get(@Param('user_id') userId: string): Promise<UserView> {
    return presentUser(await this.users.get(userId));
  }

  @Patch(':user_id')
  @Require('users:write')
  @ApiOperation({
    summary: 'Change, suspend or let in a user',
    description: 'A suspended user is signed out and refused everywhere, with all their keys, until let in again.',
  })
  @ApiUserId()
  @ApiOkResponse({ type: UserView, description: 'In force on every replica.' })
  @ApiAcceptedResponse({ type: PendingUserView, description: 'Changed; not every replica has confirmed it yet.' })
  @ApiConflictResponse({
    description: 'The last administrator, or a status that does not follow from the present one.',
  })
  async update(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @JsonBody(UpdateUserDto, ACCOUNT_BODY_LIMIT_BYTES) body: UpdateUserDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<UserView | PendingUserView> {
    const { user, propagation } = await this.changes.update(this.managers.of(request), userId, body);
    return answerChange(reply, presentUser(user), propagation);
  }

  @Delete(':user_id')
  @Require('users:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Remove a user',
    description:
      'What they owned is disabled, or goes to `hand_over_to`, which takes `api_keys:admin` unless that is you. What was recorded of them stays.',
  })
  @ApiUserId()
  @ApiQuery({ name: 'hand_over_to', required: false, schema: { type: 'string', example: 'usr_0123456789ABCDEFGHIJ' } })
  @ApiNoContentResponse({ description: 'Removed, on every replica.' })
  @ApiAcceptedResponse({ description: 'Removed; not every replica has confirmed it yet.', type: PendingChangeView })
  @ApiConflictResponse({ description: 'The last administrator.' })
  async remove(
    @Req() request: HttpRequest,
    @Param('user_id') userId: string,
    @Query() raw: Record<string, unknown>,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const heirId = heirOf(raw);
    const manager = this.managers.handingOver(request, heirId);
    return answerEnd(reply, await this.changes.remove(manager, userId, heirId));
  }

  @Post(':user_id/invitation')
  @Require('users:write')
  @HttpCode(HttpStatus.ACCEPTED)
  @ApiOperation({ summary: 'Send an invitation once more' })
  @ApiUserId()
  @ApiAcceptedResponse({ type: MailPromisedView })
  @ApiConflictResponse({ description: 'This user has accepted, or is suspended.' })
  async resend(@Req() request: HttpRequest, @Param('user_id') userId: string): Promise<MailPromisedView> {
    await this.users.resendInvitation(this.managers.of(request), userId);
    return { mail: 'promised' };
  }
}

/** A misspelt parameter must not disable what was to be handed over. */
function heirOf(raw: Record<string, unknown>): string | null {
  const { hand_over_to: heirId, ...others } = raw;
  const errors = Object.keys(others).map((name) => ({
    location: `query.${name.slice(0, 64)}`,
    message: 'is not a parameter of this route',
  }));
  if (heirId !== undefined && typeof heirId !== 'string')
    errors.push({ location: 'query.hand_over_to', message: 'must be given once' });
  if (errors.length > 0) throw new InvalidRequestError(errors);
  return typeof heirId === 'string' ? heirId : null;
}
