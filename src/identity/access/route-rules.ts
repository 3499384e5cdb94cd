import {
  BYOT_MARK,
  type Permission,
  PUBLIC_MARK,
  REACH_MARK,
  REQUIRE_MARK,
  type Requirement,
  SELF_MARK,
} from '../../kernel/handler-marks.js';

// biome-ignore lint/complexity/noBannedTypes: what Nest's ExecutionContext hands out for handlers and classes
export type Marked = Function;

/** What a route asks for, as its marks say. */
export interface RouteRule {
  readonly isPublic: boolean;
  /** Null without a mark, and where there are two: open to nobody. */
  readonly requirement: Requirement | null;
  /** The route is about the caller's own things: what a key has to hold there. */
  readonly self: Permission | null;
  readonly allowsByot: boolean;
  /** The type of the objects it lists, where it lists those alone that the caller may see. */
  readonly reaches: string | null;
}

/** The rules of routes, each read once from its handler's marks, or its controller's where the handler has none. */
export class RouteRules {
  readonly #rules = new WeakMap<Marked, RouteRule>();

  of(handler: Marked, controller: Marked): RouteRule {
    let rule = this.#rules.get(handler);
    if (rule === undefined) {
      rule = read(handler, controller);
      this.#rules.set(handler, rule);
    }
    return rule;
  }
}

function read(handler: Marked, controller: Marked): RouteRule {
  const asks = [handler, controller].find(
    (each) => Reflect.hasMetadata(REQUIRE_MARK, each) || Reflect.hasMetadata(SELF_MARK, each),
  );
  const requirement: Requirement | undefined = asks && Reflect.getMetadata(REQUIRE_MARK, asks);
  const self: Permission | undefined = asks && Reflect.getMetadata(SELF_MARK, asks);
  const both = requirement !== undefined && self !== undefined;
  return {
    isPublic: mark<boolean>(PUBLIC_MARK, handler, controller) ?? false,
    requirement: both ? null : (requirement ?? null),
    self: both ? null : (self ?? null),
    allowsByot: mark<boolean>(BYOT_MARK, handler, controller) ?? false,
    reaches: mark<string>(REACH_MARK, handler, controller) ?? null,
  };
}

function mark<T>(key: string, handler: Marked, controller: Marked): T | undefined {
  return Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, controller);
}
