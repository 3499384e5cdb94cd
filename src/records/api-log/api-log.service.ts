import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { CALLER_KINDS } from '../../kernel/request-record.js';
import { type ListShape, type Page, parseListQuery, toPage } from '../../platform/http/list-query.js';
import { type ApiLogDto, AUTH_METHODS } from './api-log.dto.js';
import { ApiLogRepository } from './api-log.repository.js';

/** How the list may be asked for; the controller shows the same to OpenAPI. */
export const API_LOG_LIST: ListShape<'created_at'> = {
  sortKeys: { created_at: 'time' },
  defaultSort: '-created_at',
  idPattern: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  filters: {
    created_after: 'time',
    created_before: 'time',
    status: 'integer',
    method: 'text',
    client_id: 'text',
    user_id: 'text',
    client_address: 'text',
    auth_method: AUTH_METHODS,
    caller_kind: CALLER_KINDS,
    provider: 'text',
    model: 'text',
    request_id: 'text',
    error_code: 'text',
  },
};

/** Times as our cursors carry them: to the microsecond, in UTC, and such as PostgreSQL knows. */
const POSITION = /^(?!0000)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

/** What was called, by whom, with what result. */
@Injectable()
export class ApiLogService {
  constructor(private readonly repository: ApiLogRepository) {}

  /**
   * A page of the log, newest first unless asked otherwise. A request is placed by when it came in and appears once it
   * has ended, so that a long one can turn up behind a position that was read already. A search for what is rare by
   * filters that no index serves ends within its bounded time: its page can hold fewer rows than `limit`, or none, and
   * yet have more.
   *
   * @throws InvalidRequestError naming each bad parameter, ServiceUnavailableError when the search takes too long.
   */
  async list(raw: Readonly<Record<string, unknown>>): Promise<Page<ApiLogDto>> {
    const query = parseListQuery(raw, API_LOG_LIST);
    if (query.after !== null && !POSITION.test(query.after[0]))
      throw new InvalidRequestError([{ location: 'query.cursor', message: 'is not a cursor of this list' }]);
    const { rows, reached } = await this.repository.list(query);
    return toPage(
      rows,
      query,
      (row) => row,
      (row) => [row.created_at, row.id],
      reached,
    );
  }
}
