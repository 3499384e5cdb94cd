import { SetMetadata } from '@nestjs/common';

/** Metadata keys the guards read. A route with none of `@Public`, `@Require`, `@RequireSelf` is refused: closed by default. */
export const PUBLIC_MARK = 'core-nest:public';
export const REQUIRE_MARK = 'core-nest:require';
export const RATE_CLASS_MARK = 'core-nest:rate-class';
export const SELF_MARK = 'core-nest:self';
export const BYOT_MARK = 'core-nest:byot';
export const REACH_MARK = 'core-nest:reach';

/**
 * Every permission there is: what a route can ask for and a client can hold. Each is `<resource>:<action>`;
 * `<resource>:admin` holds the other actions of the resource.
 */
export const PERMISSIONS = [
  'clients:read',
  'clients:write',
  'clients:delete',
  'clients:admin',
  'api_keys:read',
  'api_keys:write',
  'api_keys:delete',
  'api_keys:admin',
  'users:read',
  'users:write',
  'users:delete',
  'users:admin',
  'roles:read',
  'roles:write',
  'roles:delete',
  'roles:admin',
  'grants:read',
  'grants:write',
  'access:read',
  'sessions:read',
  'sessions:delete',
  'tokens:read',
  'tokens:delete',
  'audit:read',
  'logs:read',
  'metrics:read',
  'limits:read',
  'limits:write',
  'ip_rules:read',
  'ip_rules:write',
  'llm:invoke',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** The scope that holds all permissions. */
export const ADMIN_SCOPE = 'admin';

/** What a route asks for; `admin` asks for everything there is, `authenticated` for an identity and nothing more. */
export type Requirement = Permission | typeof ADMIN_SCOPE | 'authenticated';

/** The bucket classes a request can be counted in. */
export type RateClass = 'general' | 'query' | 'login' | 'key_creation' | 'address';

/** Needs no credential; an invalid one is not even looked at. */
export const Public = () => SetMetadata(PUBLIC_MARK, true);

/** The permission `AccessGuard` demands; also what OpenAPI shows. */
export const Require = (requirement: Requirement) => SetMetadata(REQUIRE_MARK, requirement);

/**
 * The route is about the caller's own things (`selfOf`): open to every user for themselves, and to a user's key that
 * holds the permission.
 */
export const RequireSelf = (permission: Permission) => SetMetadata(SELF_MARK, permission);

/**
 * The route lists objects of one type (`clients`) and gives those alone that the caller's grants reach (see
 * `AccessService.reach`). Without this mark a list needs a grant for everything.
 */
export const WithinReach = (type: string) => SetMetadata(REACH_MARK, type);

/** The buckets `ThrottleGuard` takes from. Without this mark a route with an identity is counted in `general`. */
export const RateClasses = (...classes: readonly RateClass[]) => SetMetadata(RATE_CLASS_MARK, classes);

/** A caller with only a provider token may use this route. Without the mark BYOT is refused with 403. */
export const AllowByot = () => SetMetadata(BYOT_MARK, true);
