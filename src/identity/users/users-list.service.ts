import { Injectable } from '@nestjs/common';
import { type ListShape, type Page, parseListQuery, toPage } from '../../platform/http/list-query.js';
import { emailKeyOf } from './email-address.js';
import { USER_STATUSES } from './user.entity.js';
import { presentUser, type UserView } from './user-view.js';
import { type UserSortKey, UsersListRepository, type VisibleUsers } from './users-list.repository.js';

/** How the list may be asked for; the controller shows the same to OpenAPI. */
export const USER_LIST: ListShape<UserSortKey> = {
  sortKeys: { created_at: 'time', name: 'text', email: 'text' },
  defaultSort: '-created_at',
  idPattern: /^usr_[0-9A-Za-z]{20}$/,
  filters: {
    status: USER_STATUSES,
    email: 'text',
    name: 'text',
    tier: 'text',
    role: 'text',
    created_after: 'time',
    created_before: 'time',
  },
};

/** Who there is. */
@Injectable()
export class UsersListService {
  constructor(private readonly repository: UsersListRepository) {}

  /**
   * A page of the users that are visible, newest first unless asked otherwise. Where there is a read replica it may lag.
   *
   * @throws InvalidRequestError naming each bad parameter; the driver's error when PostgreSQL is away.
   */
  async list(raw: Readonly<Record<string, unknown>>, visible: VisibleUsers): Promise<Page<UserView>> {
    const asked = parseListQuery(raw, USER_LIST);
    const { email } = asked.filters;
    const filters = typeof email === 'string' ? { ...asked.filters, email: emailKeyOf(email) } : asked.filters;
    const query = { ...asked, filters };
    return toPage(await this.repository.list(query, visible), query, presentUser, (user) => {
      const keys = { created_at: user.createdAt.toISOString(), name: user.name, email: emailKeyOf(user.email) };
      return [keys[query.sort], user.id];
    });
  }
}
