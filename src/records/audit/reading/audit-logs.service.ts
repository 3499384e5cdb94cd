import { Injectable } from '@nestjs/common';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { type AuditOrigin, AuditService } from '../audit.service.js';
import { AUDIT_ACTIONS, AUDIT_ACTORS, AUDIT_OUTCOMES, AUDIT_SUBJECTS } from '../audit-actions.js';
import type { AuditLogDto } from './audit-logs.dto.js';
import { AuditLogsRepository } from './audit-logs.repository.js';

/** How the list may be asked for; the controller shows the same to OpenAPI. */
export const AUDIT_LOG_LIST: ListShape<'created_at'> = {
  sortKeys: { created_at: 'time' },
  defaultSort: '-created_at',
  idPattern: /^[1-9]\d{0,17}$/,
  filters: {
    created_after: 'time',
    created_before: 'time',
    action: Object.keys(AUDIT_ACTIONS),
    outcome: AUDIT_OUTCOMES,
    actor_type: AUDIT_ACTORS,
    actor_id: 'text',
    user_id: 'text',
    subject_type: AUDIT_SUBJECTS,
    subject_id: 'text',
    session_id: 'text',
    request_id: 'text',
  },
};

/** Who did what to what, for those who may read it. */
@Injectable()
export class AuditLogsService {
  constructor(
    private readonly repository: AuditLogsRepository,
    private readonly audit: AuditService,
  ) {}

  /**
   * A page of the audit log, newest first unless asked otherwise. That it was read, and by which filters, is a row of
   * the log itself, which its own page does not show.
   *
   * @throws InvalidRequestError naming each bad parameter, ServiceUnavailableError when the search takes too long or
   * the reading cannot be recorded.
   */
  async list(raw: Readonly<Record<string, unknown>>, origin: AuditOrigin): Promise<Page<AuditLogDto>> {
    const query = parseListQuery(raw, AUDIT_LOG_LIST);
    const rows = await this.repository.list(query);
    const page = toPage(
      rows,
      query,
      (row) => row,
      (row) => [row.created_at, row.id],
    );
    const filters = Object.entries(query.filters).map(([name, value]) => [name, asText(value)]);
    await this.audit.record({
      action: 'audit.read',
      origin,
      subject: { type: 'audit_log', id: null },
      details: { ...Object.fromEntries(filters), rows: page.data.length, further: query.after !== null },
    });
    return page;
  }
}

function asText(value: string | number | Date): string | number {
  return value instanceof Date ? value.toISOString() : value;
}
