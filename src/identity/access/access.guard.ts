import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { DeniedPermissions } from '../../records/audit/denials/denied-permissions.service.js';
import { AccessService, type Verdict } from './access.service.js';
import type { AccessContext, ObjectRef } from './check/access-context.js';
import { ResourceOwners } from './resource-owners.service.js';
import type { RouteRule } from './route-rules.js';

/** Lets an identity on only where it holds what the route asks for, and from where it may call. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly access: AccessService,
    private readonly owners: ResourceOwners,
    private readonly denials: DeniedPermissions,
  ) {}

  /** @throws what {@link AccessService.assertAllowed} throws, built only on an identity that is certain (see `RequestIdentity`). */
  canActivate(execution: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.access.ruleOf(execution.getHandler(), execution.getClass());
    if (rule.isPublic) return true;
    const request = execution.getArgByIndex<HttpRequest>(0);
    if (request.identity === null) throw new AuthUnavailableError();
    const context = this.access.contextOf(request, rule.requirement);
    const verdict = this.access.verdict(rule, request.identity.state, context);
    if (verdict === null) return true;
    return this.#decideOnCertainty(request, rule, context, verdict);
  }

  async #decideOnCertainty(request: HttpRequest, rule: RouteRule, first: AccessContext, found: Verdict): Promise<true> {
    let context = first;
    let verdict = found;
    while (verdict !== null) {
      if (request.identity === null) throw new AuthUnavailableError();
      if (verdict === 'unowned')
        context = this.access.rememberOwner(request, context, await this.#ownerOf(context.objects));
      else if (request.identity.fence !== null) request.identity = await request.identity.confirm();
      else {
        const { requirement, self } = rule;
        this.denials.refused(request, requirement ?? self, verdict.code);
        throw verdict;
      }
      verdict = this.access.verdict(rule, request.identity.state, context);
    }
    return true;
  }

  async #ownerOf([object]: readonly ObjectRef[]): Promise<string | null> {
    return object === undefined ? null : this.owners.ownerOf(object);
  }
}
