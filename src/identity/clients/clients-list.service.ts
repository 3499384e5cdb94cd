import { Injectable } from '@nestjs/common';
import { type ListQuery, type ListShape, type Page, parseListQuery, toPage } from '../../platform/http/list-query.js';
import { CLIENT_ID_PATTERN, ENVIRONMENTS } from './api-key.js';
import { CLIENT_STATUSES } from './client.entity.js';
import { type ClientView, presentClient } from './client-view.js';
import {
  ALL_CLIENTS,
  type ClientSortKey,
  ClientsListRepository,
  type VisibleClients,
} from './clients-list.repository.js';

/** How the list may be asked for; the controller shows the same to OpenAPI. */
export const CLIENT_LIST: ListShape<ClientSortKey> = {
  sortKeys: { created_at: 'time', name: 'text' },
  defaultSort: '-created_at',
  idPattern: CLIENT_ID_PATTERN,
  filters: {
    status: CLIENT_STATUSES,
    tier: 'text',
    environment: ENVIRONMENTS,
    owner_id: 'text',
    name: 'text',
    created_after: 'time',
    created_before: 'time',
    expiring_before: 'time',
    unused_since: 'time',
    search: 'text',
  },
};

/** How a user's own keys may be asked for: likewise, but for whose they are. */
export const API_KEY_LIST: ListShape<ClientSortKey> = { ...CLIENT_LIST, filters: withoutOwner(CLIENT_LIST.filters) };

const PAGE = 200;

/** Who there is. */
@Injectable()
export class ClientsListService {
  constructor(private readonly repository: ClientsListRepository) {}

  /**
   * A page of clients, newest first unless asked otherwise. Where there is a read replica it may lag: a client made a
   * moment ago may not be in it yet.
   *
   * @param visible the clients that the caller may see at all.
   * @throws InvalidRequestError naming each bad parameter, ServiceUnavailableError when the search takes too long.
   */
  async list(
    raw: Readonly<Record<string, unknown>>,
    visible: VisibleClients,
    shape: ListShape<ClientSortKey> = CLIENT_LIST,
  ): Promise<Page<ClientView>> {
    const query = parseListQuery(raw, shape);
    return toPage(await this.repository.list(query, visible), query, presentClient, (client) => {
      const view = presentClient(client);
      return [view[query.sort], view.client_id];
    });
  }

  /** All clients, the oldest first, page by page. */
  async *pages(): AsyncGenerator<readonly ClientView[]> {
    for (let after: ListQuery<ClientSortKey>['after'] | undefined = null; after !== undefined; ) {
      const query = { limit: PAGE, sort: 'created_at', descending: false, after, filters: {} } as const;
      const rows: ClientView[] = (await this.repository.list(query, ALL_CLIENTS)).map(presentClient);
      const shown = rows.slice(0, PAGE);
      yield shown;
      const last = shown.at(-1);
      after = rows.length > PAGE && last ? [last.created_at, last.client_id] : undefined;
    }
  }
}

function withoutOwner({ owner_id: _owner, ...filters }: ListShape<ClientSortKey>['filters']) {
  return filters;
}
