import { ADMIN_SCOPE } from '../../../kernel/handler-marks.js';

const ADMIN_ACTION = ':admin';

/** What a permission is about: `clients` of `clients:read`. Of the scope `admin` it is the whole of it. */
export function resourceOf(permission: string): string {
  const colon = permission.indexOf(':');
  return colon < 0 ? permission : permission.slice(0, colon);
}

/** The permissions any of which is enough for this one: itself, the `admin` of its resource, and the scope `admin`. */
export function holdersOf(permission: string): readonly string[] {
  if (permission === ADMIN_SCOPE) return [ADMIN_SCOPE];
  const ofResource = resourceOf(permission) + ADMIN_ACTION;
  return permission === ofResource ? [permission, ADMIN_SCOPE] : [permission, ofResource, ADMIN_SCOPE];
}

/** Whether a list of permissions holds one: `admin` holds all, `<resource>:admin` all of its resource. */
export function holds(held: readonly string[], permission: string): boolean {
  if (held.includes(permission) || held.includes(ADMIN_SCOPE)) return true;
  const colon = permission.indexOf(':');
  return colon > 0 && held.includes(permission.slice(0, colon) + ADMIN_ACTION);
}

/** The same of a set. */
export function holdsIn(held: ReadonlySet<string>, permission: string): boolean {
  return holdersOf(permission).some((holder) => held.has(holder));
}

/** The first of `asked` that `held` does not hold; null when it holds them all. */
export function firstMissing(held: readonly string[], asked: Iterable<string>): string | null {
  for (const permission of asked) if (!holds(held, permission)) return permission;
  return null;
}

/**
 * Whether denying `held` takes something of a permission away: the permission itself, or a part of it. What holds others
 * is held whole or not at all, so that nobody who is denied `clients:delete` passes for holding `clients:admin`.
 */
export function takesFrom(held: ReadonlySet<string>, permission: string): boolean {
  return holdsIn(held, permission) || partOf(held, permission) !== null;
}

/** One that `held` has of those that a permission holds; null where it holds none, or `held` has none of them. */
export function partOf(held: ReadonlySet<string>, permission: string): string | null {
  const isPart = partsOf(permission);
  if (isPart === null) return null;
  for (const each of held) if (isPart(each)) return each;
  return null;
}

function partsOf(permission: string): ((other: string) => boolean) | null {
  if (permission === ADMIN_SCOPE) return () => true;
  if (!permission.endsWith(ADMIN_ACTION)) return null;
  const prefix = `${resourceOf(permission)}:`;
  return (other) => other.startsWith(prefix);
}
