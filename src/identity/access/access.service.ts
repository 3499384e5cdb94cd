import { Injectable } from '@nestjs/common';
import { AddressNotAllowedError, PermissionDeniedError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { ADMIN_SCOPE, BYOT_MARK, PUBLIC_MARK, REQUIRE_MARK, type Requirement } from '../../kernel/handler-marks.js';
import { AddressRanges } from '../../platform/http/address-ranges.js';

// biome-ignore lint/complexity/noBannedTypes: what Nest's ExecutionContext hands out for handlers and classes
type Marked = Function;

interface RouteRule {
  readonly isPublic: boolean;
  readonly requirement: Requirement | null;
  readonly allowsByot: boolean;
}

/** What a route asks for, and whether an identity has it. Pure: no I/O, so it works whatever is away. */
@Injectable()
export class AccessService {
  readonly #rules = new WeakMap<Marked, RouteRule>();
  /** By the very list: one is shared by all requests that a remembered credential answers. */
  readonly #ranges = new WeakMap<readonly string[], AddressRanges>();

  /** True when the route needs no credential. */
  isPublic(handler: Marked, controller: Marked): boolean {
    return this.#ruleOf(handler, controller).isPublic;
  }

  /**
   * Closed by default: a route without a mark is refused to everybody.
   *
   * @param address where the request comes from, canonical.
   * @throws AddressNotAllowedError when the client may not call from there, PermissionDeniedError when the identity may
   *   not use the route.
   */
  assertAllowed(handler: Marked, controller: Marked, state: AuthState, address: string): void {
    const rule = this.#ruleOf(handler, controller);
    if (rule.isPublic) return;
    if (rule.requirement === null) throw new PermissionDeniedError('This route is open to nobody.');
    if (state.kind === 'byot') {
      if (!rule.allowsByot) {
        throw new PermissionDeniedError(
          'A provider token alone opens only the LLM routes. Send an API key of this gateway.',
        );
      }
      return;
    }
    if (
      state.kind === 'client' &&
      state.allowedAddresses !== null &&
      !this.#rangesOf(state.allowedAddresses).has(address)
    )
      throw new AddressNotAllowedError();
    if (rule.requirement === 'authenticated' || holds(state.scopes ?? [], rule.requirement)) return;
    throw new PermissionDeniedError(
      `This route needs the permission "${rule.requirement}", which this client does not hold.`,
    );
  }

  #rangesOf(list: readonly string[]): AddressRanges {
    let ranges = this.#ranges.get(list);
    if (ranges === undefined) {
      ranges = new AddressRanges(list);
      this.#ranges.set(list, ranges);
    }
    return ranges;
  }

  #ruleOf(handler: Marked, controller: Marked): RouteRule {
    let rule = this.#rules.get(handler);
    if (rule === undefined) {
      rule = {
        isPublic: mark<boolean>(PUBLIC_MARK, handler, controller) ?? false,
        requirement: mark<Requirement>(REQUIRE_MARK, handler, controller) ?? null,
        allowsByot: mark<boolean>(BYOT_MARK, handler, controller) ?? false,
      };
      this.#rules.set(handler, rule);
    }
    return rule;
  }
}

/** Whether a list of scopes holds a permission; `admin` holds all. */
export function holds(scopes: readonly string[], permission: string): boolean {
  return scopes.includes(permission) || scopes.includes(ADMIN_SCOPE);
}

function mark<T>(key: string, handler: Marked, controller: Marked): T | undefined {
  return Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, controller);
}
