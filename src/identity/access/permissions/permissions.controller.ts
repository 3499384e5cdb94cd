import { Controller, Delete, Get, HttpCode, HttpStatus, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import type { HttpReply, HttpRequest } from '../../../platform/http/http-request.js';
import { JsonBody } from '../../../platform/http/json-body.decorator.js';
import {
  type ListQuery,
  type ListShape,
  type Page,
  parseListQuery,
  toPage,
} from '../../../platform/http/list-query.js';
import { answerChange, answerEnd, PendingChangeView } from '../../../platform/http/pending-change.js';
import { AccessService } from '../access.service.js';
import { authorOf } from '../authority/author.js';
import { resourceOf } from '../check/permission-terms.js';
import {
  CreatePermissionDto,
  PendingPermissionView,
  PermissionPageView,
  PermissionView,
  presentPermission,
  UpdatePermissionDto,
} from './permissions.dto.js';
import { type KnownPermission, PermissionsService } from './permissions.service.js';

const LIST: ListShape<'name'> = {
  sortKeys: { name: 'text' },
  defaultSort: 'name',
  idPattern: /^[a-z0-9_]+:[a-z0-9_]+$/,
  filters: { custom: ['true', 'false'], resource: 'text' },
};

const ApiPermission = () => ApiParam({ name: 'permission', schema: { type: 'string', example: 'reports:read' } });

/** The permissions there are, and those that administrators make. */
@ApiTags('access')
@Controller('api/v1/permissions')
export class PermissionsController {
  constructor(
    private readonly permissions: PermissionsService,
    private readonly access: AccessService,
  ) {}

  @Post()
  @Require('roles:write')
  @ApiOperation({
    summary: 'Make a permission for applications of your own',
    description:
      'Roles can hold it, and `POST /api/v1/access/explain` decides on it. No route of core-nest asks for it, and it is no scope of a key.',
  })
  @ApiCreatedResponse({ type: PermissionView, description: 'Known to every replica.' })
  @ApiAcceptedResponse({ type: PendingPermissionView, description: 'Made; not every replica has confirmed it yet.' })
  async create(
    @Req() request: HttpRequest,
    @JsonBody(CreatePermissionDto) body: CreatePermissionDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PermissionView | PendingPermissionView> {
    const made = await this.permissions.create(this.#author(request), body.name, body.description ?? '');
    return answerChange(reply, presentPermission(made.done), made.propagation);
  }

  @Get()
  @Require('roles:read')
  @ApiOperation({ summary: 'List the permissions' })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: PermissionPageView })
  async list(@Query() raw: Record<string, unknown>): Promise<Page<PermissionView>> {
    const query = parseListQuery(raw, LIST);
    const rows = pageOf(await this.permissions.all(), query);
    return toPage(rows, query, presentPermission, ({ name }) => [name, name]);
  }

  @Get(':permission')
  @Require('roles:read')
  @ApiOperation({ summary: 'Show a permission' })
  @ApiPermission()
  @ApiOkResponse({ type: PermissionView })
  async get(@Param('permission') name: string): Promise<PermissionView> {
    return presentPermission(await this.permissions.get(name));
  }

  @Patch(':permission')
  @Require('roles:write')
  @ApiOperation({ summary: 'Describe a permission that was made' })
  @ApiPermission()
  @ApiOkResponse({ type: PermissionView })
  @ApiAcceptedResponse({ type: PendingPermissionView, description: 'Changed; not every replica has confirmed it yet.' })
  async describe(
    @Req() request: HttpRequest,
    @Param('permission') name: string,
    @JsonBody(UpdatePermissionDto) body: UpdatePermissionDto,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PermissionView | PendingPermissionView> {
    const changed = await this.permissions.describe(this.#author(request), name, body.description);
    return answerChange(reply, presentPermission(changed.done), changed.propagation);
  }

  @Delete(':permission')
  @Require('roles:delete')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({
    summary: 'Delete a permission that was made',
    description: 'Refused with 409 while roles hold it; the answer says how many.',
  })
  @ApiPermission()
  @ApiNoContentResponse({ description: 'Deleted on every replica.' })
  @ApiAcceptedResponse({ type: PendingChangeView, description: 'Not every replica has confirmed it yet.' })
  async remove(
    @Req() request: HttpRequest,
    @Param('permission') name: string,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<PendingChangeView | undefined> {
    const { propagation } = await this.permissions.remove(this.#author(request), name);
    return answerEnd(reply, propagation);
  }

  #author(request: HttpRequest) {
    return authorOf(request, this.access.contextOf(request));
  }
}

/** Those of a page and one more, if there is one; they come sorted by name. */
function pageOf(all: readonly KnownPermission[], { filters, after, descending, limit }: ListQuery<'name'>) {
  const wanted = all.filter(
    ({ name, custom }) =>
      (filters.custom === undefined || String(custom) === filters.custom) &&
      (filters.resource === undefined || resourceOf(name) === filters.resource) &&
      (after === null || (descending ? name < after[0] : name > after[0])),
  );
  return (descending ? wanted.toReversed() : wanted).slice(0, limit + 1);
}
