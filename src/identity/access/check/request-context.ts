import type { AccessContext, ObjectRef } from './access-context.js';

/** What one request is about and where it comes from; the costly parts are worked out when they are asked for. */
export class RequestContext implements AccessContext {
  #country: string | null | undefined;
  #objects: readonly ObjectRef[] | undefined;
  ownerId?: string | null;

  /**
   * @param address canonical.
   * @param now milliseconds since the epoch, by PostgreSQL's clock.
   * @param params the parameters in the route's path.
   * @param resource what the route's permission is about.
   */
  constructor(
    readonly address: string,
    readonly now: number,
    private readonly params: Readonly<Record<string, string>>,
    private readonly resource: string | null,
    private readonly countryOf: (address: string) => string | null,
  ) {}

  get country(): string | null {
    if (this.#country === undefined) this.#country = this.countryOf(this.address);
    return this.#country;
  }

  get objects(): readonly ObjectRef[] {
    this.#objects ??= objectsOf(this.params, this.resource);
    return this.#objects;
  }
}

const ID_SUFFIX = '_id';

/** The objects a path names: `:client_id` is one of `clients`; a bare `:id` alone is one of what the permission is about. */
function objectsOf(params: Readonly<Record<string, string>>, resource: string | null): ObjectRef[] {
  const named = Object.entries(params)
    .filter(([name]) => name.endsWith(ID_SUFFIX))
    .map(([name, id]) => ({ type: `${name.slice(0, -ID_SUFFIX.length)}s`, id }));
  const { id } = params;
  return named.length === 0 && id !== undefined && resource !== null ? [{ type: resource, id }] : named;
}
