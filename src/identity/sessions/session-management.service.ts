import { Injectable } from '@nestjs/common';
import { NotFoundError } from '../../kernel/app-error.js';
import { isId } from '../../kernel/ids.js';
import { Transactions } from '../../platform/database/transactions.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../platform/http/list-query.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { PrincipalChanges } from '../principals/principal-changes.service.js';
import { SESSION_KINDS } from './session.entity.js';
import { type SessionEnd, SessionEnds } from './session-ends.js';
import { presentSession, SESSION_STATUSES, type SessionView } from './session-view.js';
import { SessionsRepository } from './sessions.repository.js';
import { type SessionSortKey, SessionsListRepository } from './sessions-list.repository.js';

/** How a list of sessions may be asked for; the controllers show the same to OpenAPI. */
export const SESSION_LIST: ListShape<SessionSortKey> = {
  sortKeys: { created_at: 'time', last_seen_at: 'time' },
  defaultSort: '-created_at',
  idPattern: /^ses_[0-9A-Za-z]{20}$/,
  filters: {
    status: SESSION_STATUSES,
    kind: SESSION_KINDS,
    country: 'text',
    created_after: 'time',
    created_before: 'time',
  },
};

/** What people do with sessions: their own, or those of others where they may. */
@Injectable()
export class SessionManagement {
  constructor(
    private readonly clock: DatabaseClock,
    private readonly repository: SessionsRepository,
    private readonly lists: SessionsListRepository,
    private readonly ends: SessionEnds,
    private readonly transactions: Transactions,
    private readonly changes: PrincipalChanges,
  ) {}

  /**
   * A page of a user's sessions, the newest first and live ones only unless asked otherwise.
   *
   * @param currentId the session of the request; null: it has none.
   * @throws InvalidRequestError naming each bad parameter.
   */
  async list(
    userId: string,
    currentId: string | null,
    raw: Readonly<Record<string, unknown>>,
  ): Promise<Page<SessionView>> {
    const query = parseListQuery(raw, SESSION_LIST);
    const now = new Date(this.clock.now());
    const present = (session: Parameters<typeof presentSession>[0]) => presentSession(session, currentId, now);
    return toPage(await this.lists.list(userId, query, now), query, present, (session) => {
      const view = present(session);
      return [view[query.sort], view.id];
    });
  }

  /** @throws NotFoundError when there is no such user. */
  async assertUser(userId: string): Promise<void> {
    if (!isId('usr', userId) || !(await this.repository.userExists(userId)))
      throw new NotFoundError('There is no user with this id.');
  }

  /**
   * Ends one session of a user. One that has ended already is fine.
   *
   * @throws NotFoundError when the user has no such session: that of somebody else and one that never was are alike.
   */
  async endOne(userId: string, sessionId: string, end: SessionEnd): Promise<Propagation> {
    // What cannot be an id is asked for all the same, so that it takes the same time.
    const id = isId('ses', sessionId) ? sessionId : '';
    const ended = await this.transactions.run((transaction) => this.ends.one(userId, id, end, transaction));
    if (ended === null) throw new NotFoundError('There is no session with this id.');
    return this.changes.follow(ended.change);
  }

  /** Ends all sessions of a user, but for `except`. */
  async endAll(userId: string, except: string | null, end: SessionEnd): Promise<Propagation> {
    const { change } = await this.transactions.run((transaction) => this.ends.all(userId, except, end, transaction));
    return this.changes.follow(change);
  }
}
