import { Injectable } from '@nestjs/common';
import type { ObjectRef } from './check/access-context.js';

type OwnerOf = (id: string) => Promise<string | null>;

/** Who owns what, as the rooms that keep it say. Asked only for grants that hold for one's own objects. */
@Injectable()
export class ResourceOwners {
  /** Whoever somebody is, they are their own. */
  readonly #sources = new Map<string, OwnerOf>([['users', (id) => Promise.resolve(id)]]);

  /**
   * A room says how the owner of its objects is found: the id of a user, or null where nobody owns it or there is no such
   * object, which are not to be told apart. Register while the modules start.
   *
   * @param type as routes name it: `clients` for `:client_id`.
   */
  register(type: string, ownerOf: OwnerOf): void {
    this.#sources.set(type, ownerOf);
  }

  /** The owner; null: nobody, or nobody knows. Rejects when the room cannot look it up now. */
  async ownerOf({ type, id }: ObjectRef): Promise<string | null> {
    return (await this.#sources.get(type)?.(id)) ?? null;
  }
}
