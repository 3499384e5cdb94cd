import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Require } from '../../../kernel/handler-marks.js';
import { ApiListQuery } from '../../../platform/http/api-list-query.decorator.js';
import { JsonBody } from '../../../platform/http/json-body.decorator.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { RoleGraphs } from '../roles/role-graphs.service.js';
import { ExplainAccessDto, toQuestion } from './explain.dto.js';
import { ExplainService } from './explain.service.js';
import { AccessExplanationView, presentAccessExplanation } from './explain.view.js';
import { WhoCanService } from './who-can.service.js';
import { HolderPageView, type HolderView, presentHolder } from './who-can.view.js';

const LIST: ListShape<'id'> = {
  sortKeys: { id: 'text' },
  defaultSort: 'id',
  idPattern: /^(?:usr_[0-9A-Za-z]{20}|cn_(?:live|test)_[0-9A-Za-z]{12})$/,
  filters: { permission: 'text', resource: 'text', type: ['user', 'client'] },
};

/** Why somebody may or may not do something, and who may. */
@ApiTags('access')
@Controller('api/v1/access')
export class AccessController {
  constructor(
    private readonly explanations: ExplainService,
    private readonly holders: WhoCanService,
    private readonly roles: RoleGraphs,
  ) {}

  @Post('explain')
  @HttpCode(200)
  @Require('access:read')
  @ApiOperation({
    summary: 'Say what would be decided for somebody, and by which grants, roles and conditions',
    description: 'It changes nothing and is no request of the principal. What is absent of `context` is not known.',
  })
  @ApiOkResponse({ type: AccessExplanationView })
  async explain(@JsonBody(ExplainAccessDto) body: ExplainAccessDto): Promise<AccessExplanationView> {
    return presentAccessExplanation(await this.explanations.explain(toQuestion(body)), this.roles.current);
  }

  @Get('who-can')
  @Require('access:read')
  @ApiOperation({
    summary: 'List who holds a permission, for one object or for everything',
    description:
      '`permission` is required. `resource` is a kind and an id: `clients:cn_live_0123456789AB`. Who holds it under conditions alone is marked `conditional`.',
  })
  @ApiListQuery(LIST)
  @ApiOkResponse({ type: HolderPageView })
  async whoCan(@Query() raw: Record<string, unknown>): Promise<Page<HolderView>> {
    const query = parseListQuery(raw, LIST);
    const graph = this.roles.current;
    return toPage(
      await this.holders.list(query),
      query,
      (holder) => presentHolder(holder, graph),
      ({ id }) => [id, id],
    );
  }
}
