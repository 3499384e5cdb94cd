import { Injectable } from '@nestjs/common';
import { type FieldError, InvalidRequestError } from '../../../kernel/app-error.js';
import type { ListQuery } from '../../../platform/http/list-query.js';
import type { ObjectRef } from '../check/access-context.js';
import { holdersOf, takesFrom } from '../check/permission-terms.js';
import { RoleGraphs } from '../roles/role-graphs.service.js';
import { type Holder, WhoCanRepository } from './who-can.repository.js';

const RESOURCE = /^([a-z][a-z0-9_]{0,47}):([A-Za-z0-9._@:-]{1,128})$/;

/** Says who holds a permission, by roles as this replica knows them. */
@Injectable()
export class WhoCanService {
  constructor(
    private readonly repository: WhoCanRepository,
    private readonly roles: RoleGraphs,
  ) {}

  /**
   * Those of a page and one more, if there is one: whom grants or scopes let do it now, if need be under conditions.
   * Without a resource: for everything.
   *
   * @throws InvalidRequestError without a permission that exists, or with a resource that is none.
   */
  list({ filters, limit, after, descending }: ListQuery<'id'>): Promise<Holder[]> {
    const graph = this.roles.current;
    const { permission, resource, type } = filters;
    const errors: FieldError[] = [];
    const object = resource === undefined ? null : readResource(String(resource));
    if (permission === undefined) errors.push({ location: 'query.permission', message: 'is missing' });
    else if (!graph.isKnown(String(permission)))
      errors.push({
        location: 'query.permission',
        message: 'is the name of no permission; see GET /api/v1/permissions',
      });
    if (object === undefined)
      errors.push({
        location: 'query.resource',
        message: 'must be a kind and an id, like clients:cn_live_0123456789AB',
      });
    if (errors.length > 0) throw new InvalidRequestError(errors);
    const asked = String(permission);
    return this.repository.list({
      scopes: holdersOf(asked),
      holding: graph.holdersOf(asked),
      taking: [...graph.nodes()].map(({ id }) => id).filter((id) => takesFrom(graph.permissionsOf(id), asked)),
      object: object ?? null,
      type: type === 'user' || type === 'client' ? type : null,
      after: after?.[1] ?? null,
      descending,
      limit,
    });
  }
}

function readResource(text: string): ObjectRef | undefined {
  const [, type, id] = RESOURCE.exec(text) ?? [];
  return type === undefined || id === undefined ? undefined : { type, id };
}
