import { Injectable } from '@nestjs/common';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import type { ApiLogRollupDto } from './api-log-rollups.dto.js';
import { type ApiLogDay, ApiLogRollupsRepository } from './api-log-rollups.repository.js';

/** How the hours may be asked for; the controller shows the same to OpenAPI. */
export const API_LOG_ROLLUP_LIST: ListShape<'hour'> = {
  sortKeys: { hour: 'time' },
  defaultSort: '-hour',
  idPattern: /^.{0,128}$/s,
  filters: { client_id: 'text', from: 'time', to: 'time' },
};

/** Requests, errors, tokens and latency by client and hour, for charts. */
@Injectable()
export class ApiLogRollupsService {
  constructor(private readonly repository: ApiLogRollupsRepository) {}

  /**
   * A page of hours, newest first unless asked otherwise: `from` is the first, `to` the one after the last. An hour may
   * lag behind the log by a minute.
   *
   * @throws InvalidRequestError naming each bad parameter.
   */
  async list(raw: Readonly<Record<string, unknown>>): Promise<Page<ApiLogRollupDto>> {
    const query = parseListQuery(raw, API_LOG_ROLLUP_LIST);
    return toPage(
      await this.repository.list(query),
      query,
      (row) => row,
      (row) => [row.hour, row.client_id ?? ''],
    );
  }

  /**
   * What one client asked for day by day (UTC), from the hour `from` to before `to`; days without requests are left out.
   * May lag as `list`. Rejects when PostgreSQL is away.
   */
  daysOf(clientId: string, from: Date, to: Date): Promise<ApiLogDay[]> {
    return this.repository.days(clientId, from, to);
  }
}
