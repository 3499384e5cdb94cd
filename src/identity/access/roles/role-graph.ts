import { ADMIN_SCOPE, PERMISSIONS } from '../../../kernel/handler-marks.js';
import { holdersOf, holdsIn } from '../check/permission-terms.js';

/** A role as others see it. */
export interface RoleNode {
  readonly id: string;
  readonly name: string;
  readonly builtin: boolean;
  /** Its own, without those it inherits. */
  readonly permissions: readonly string[];
  /** The roles it inherits from. */
  readonly parents: readonly string[];
}

const NONE: ReadonlySet<string> = new Set();

/**
 * All roles at one moment, and the permissions there are. It never changes: an edit makes another one. Answers are
 * right even for a cycle, which only SQL can make: each role in it holds what they all hold.
 */
export class RoleGraph {
  readonly #nodes: ReadonlyMap<string, RoleNode>;
  readonly #flat = new Map<string, ReadonlySet<string>>();
  #children: ReadonlyMap<string, readonly string[]> | null = null;
  /** Every permission there is, built in and made by administrators, without the scope `admin`. */
  readonly permissions: readonly string[];
  readonly #known: ReadonlySet<string>;

  constructor(nodes: Iterable<RoleNode> = [], custom: Iterable<string> = []) {
    this.#nodes = new Map(Array.from(nodes, (node) => [node.id, node]));
    this.#known = new Set([...PERMISSIONS, ...custom]);
    this.permissions = [...this.#known];
  }

  /** Whether there is such a permission; the scope `admin` is one. */
  isKnown(permission: string): boolean {
    return permission === ADMIN_SCOPE || this.#known.has(permission);
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(id: string): RoleNode | undefined {
    return this.#nodes.get(id);
  }

  nodes(): IterableIterator<RoleNode> {
    return this.#nodes.values();
  }

  /** What a role holds, with all it inherits; nothing where there is no such role. The first time costs a walk. */
  permissionsOf(id: string): ReadonlySet<string> {
    let flat = this.#flat.get(id);
    if (flat === undefined) {
      flat = this.#nodes.has(id)
        ? new Set(this.ancestorsOf(id).flatMap((each) => this.#nodes.get(each)?.permissions ?? []))
        : NONE;
      this.#flat.set(id, flat);
    }
    return flat;
  }

  /** The role and all it inherits from, nearest first. */
  ancestorsOf(id: string): string[] {
    return walk(id, (each) => this.#nodes.get(each)?.parents ?? []);
  }

  /** The role and all that inherit from it, nearest first. */
  descendantsOf(id: string): string[] {
    return walk(id, (each) => this.childrenOf(each));
  }

  /** Those that inherit from it directly. */
  childrenOf(id: string): readonly string[] {
    this.#children ??= childrenIn(this.#nodes.values());
    return this.#children.get(id) ?? [];
  }

  /** The ids of all roles that hold a permission. */
  holdersOf(permission: string): string[] {
    return [...this.#nodes.keys()].filter((id) => holdsIn(this.permissionsOf(id), permission));
  }

  /** The shortest way from a role to one that itself has the permission, or one that holds it; null: it does not. */
  pathTo(id: string, permission: string): readonly string[] | null {
    const holders = new Set(holdersOf(permission));
    const cameFrom = new Map<string, string | null>([[id, null]]);
    for (const each of cameFrom.keys()) {
      const node = this.#nodes.get(each);
      if (node?.permissions.some((own) => holders.has(own))) return wayBack(each, cameFrom);
      for (const parent of node?.parents ?? []) if (!cameFrom.has(parent)) cameFrom.set(parent, each);
    }
    return null;
  }

  /** The same with one role added, or in place of the one of its id. */
  with(node: RoleNode): RoleGraph {
    return new RoleGraph(new Map(this.#nodes).set(node.id, node).values(), this.permissions);
  }
}

/** What `from` leads to, itself first. A Map's keys are walked while they are added. */
function walk(from: string, next: (id: string) => readonly string[]): string[] {
  const seen = new Set([from]);
  for (const each of seen) for (const other of next(each)) seen.add(other);
  return [...seen];
}

function wayBack(end: string, cameFrom: ReadonlyMap<string, string | null>): string[] {
  const path: string[] = [];
  for (let at: string | null | undefined = end; at != null; at = cameFrom.get(at)) path.unshift(at);
  return path;
}

function childrenIn(nodes: Iterable<RoleNode>): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const { id, parents } of nodes)
    for (const parent of parents) {
      const known = children.get(parent);
      if (known === undefined) children.set(parent, [id]);
      else known.push(id);
    }
  return children;
}
