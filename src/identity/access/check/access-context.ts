/** One object, as a route or an explanation names it: `{ type: 'clients', id: 'cn_live_…' }`. */
export interface ObjectRef {
  readonly type: string;
  readonly id: string;
}

/** What a decision depends on besides the caller. What is null is not known. */
export interface AccessContext {
  /** Canonical. */
  readonly address: string | null;
  /** ISO 3166 alpha-2 of the address. Looked up when it is read, which few requests need. */
  readonly country: string | null;
  /** Milliseconds since the epoch, by PostgreSQL's clock. */
  readonly now: number;
  /** What the request is about, the outermost first: `/clients/:client_id/secrets/:id` is about a client, then a secret. */
  readonly objects: readonly ObjectRef[];
  /** Who owns the outermost object; null: nobody does. Absent: nobody has looked. */
  readonly ownerId?: string | null;
}

/** How the key of an object is written where objects are looked up. Types have no colon. */
export function objectKey({ type, id }: ObjectRef): string {
  return `${type}:${id}`;
}
