import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { ConcurrencyLimitedError, type FieldError, InvalidRequestError } from '../../../kernel/app-error.js';
import { Clock } from '../../../kernel/clock.js';
import { type ListQuery, parseListQuery } from '../../../platform/http/list-query.js';
import { ApiLogRepository } from '../api-log.repository.js';
import { API_LOG_LIST } from '../api-log.service.js';
import { API_LOG_FORMATS, type ApiLogFormat } from './api-log-formats.js';

/** Rows asked for at once: what a slow reader keeps in memory, a few times over. */
const PAGE_ROWS = 500;
/** Each uses a connection of the pool now and then; so few of them leave it to everybody else. */
const MAX_AT_ONCE = 2;
const RETRY_AFTER_SECONDS = 5;

/** An export that is under way, until its stream has ended or was destroyed. */
export interface ApiLogExport {
  readonly format: ApiLogFormat;
  /**
   * The file. Pages are asked for as they are read, and no connection is held between two of them, however long the
   * reader takes. It breaks off with an error when a page cannot be had, so that a part never looks whole.
   */
  readonly stream: Readable;
}

/** The API log as a file, of any length. */
@Injectable()
export class ApiLogExportService {
  #underWay = 0;

  constructor(
    private readonly repository: ApiLogRepository,
    private readonly clock: Clock,
  ) {}

  /** Exports under way in this process. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Begins an export of the rows up to now: `format`, `sort` and the filters of the list. Its first page is there when
   * this resolves. The caller reads the stream or destroys it.
   *
   * @throws InvalidRequestError naming each bad parameter, ConcurrencyLimitedError when two are under way in this
   * process, ServiceUnavailableError; what says that PostgreSQL is away is passed on.
   */
  async begin({ format = 'ndjson', ...raw }: Readonly<Record<string, unknown>>): Promise<ApiLogExport> {
    const query = this.#parse(format, raw);
    if (this.#underWay >= MAX_AT_ONCE)
      throw new ConcurrencyLimitedError(
        `${MAX_AT_ONCE} exports are under way here. Try again when one of them has ended.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    this.#underWay++;
    try {
      const pages = new ExportPages(this.repository, API_LOG_FORMATS[format as keyof typeof API_LOG_FORMATS], query);
      const first = pages.format.head + ((await pages.next()) ?? '');
      return { format: pages.format, stream: this.#stream(first, pages) };
    } catch (error) {
      this.#underWay--;
      throw error;
    }
  }

  #stream(first: string, pages: ExportPages): Readable {
    let head: string | null = first;
    return new Readable({
      highWaterMark: 1,
      read() {
        if (head) {
          this.push(head);
          head = null;
        } else
          pages.next().then(
            (piece) => this.push(piece),
            (error: Error) => this.destroy(error),
          );
      },
      destroy: (error, done) => {
        this.#underWay--;
        done(error);
      },
    });
  }

  #parse(format: unknown, raw: Readonly<Record<string, unknown>>): ListQuery<'created_at'> {
    const errors: FieldError[] = [];
    if (typeof format !== 'string' || !Object.hasOwn(API_LOG_FORMATS, format))
      errors.push({ location: 'query.format', message: 'must be one of ndjson, csv' });
    for (const name of ['limit', 'cursor'])
      if (Object.hasOwn(raw, name))
        errors.push({ location: `query.${name}`, message: 'is not for exports: an export is whole' });
    if (errors.length > 0) throw new InvalidRequestError(errors);
    const query = parseListQuery(raw, API_LOG_LIST);
    // Rows that come in while it runs would keep an export upwards in time from ever ending.
    const created_before = query.filters.created_before ?? new Date(this.clock.now());
    return { ...query, limit: PAGE_ROWS, filters: { ...query.filters, created_before } };
  }
}

/** The rows of an export, page by page. */
class ExportPages {
  #query: ListQuery<'created_at'> | null;

  constructor(
    private readonly repository: ApiLogRepository,
    readonly format: ApiLogFormat,
    query: ListQuery<'created_at'>,
  ) {
    this.#query = query;
  }

  /** The next rows as text; null after the last. */
  async next(): Promise<string | null> {
    while (this.#query !== null) {
      const query = this.#query;
      const { rows, reached } = await this.repository.list(query);
      const page = rows.slice(0, PAGE_ROWS);
      const last = page.at(-1);
      const after = rows.length > PAGE_ROWS && last ? ([last.created_at, last.id] as const) : reached;
      this.#query = after === null ? null : { ...query, after };
      if (page.length > 0) return page.map((row) => this.format.line(row)).join('');
    }
    return null;
  }
}
