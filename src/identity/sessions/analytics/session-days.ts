import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type ListShape, type Page, parseListQuery, toPage } from '../../../platform/http/list-query.js';
import { PeriodicService } from '../../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import type { SessionDayView } from './session-days.dto.js';
import { SessionDaysRepository } from './session-days.repository.js';

const EVERY_MS = 60_000;
const DAY_MS = 86_400_000;
/** Uses may be written so many days late (PostgreSQL was away) and be counted yet. */
const LATE_DAYS = 3;
/** How long days are kept. */
const KEPT_DAYS = 1_100;

/** How the days may be asked for; the controller shows the same to OpenAPI. */
export const SESSION_DAY_LIST: ListShape<'day'> = {
  sortKeys: { day: 'time' },
  defaultSort: '-day',
  idPattern: /^(?:[A-Z]{2})?$/,
  filters: { from: 'time', to: 'time', country: 'text', by: ['country'] },
};

/** It reads for a twentieth of the time at most. */
const REST = 20;

/**
 * Sessions by day. Once a minute, on one replica, the present day and in turn one of the three before are made anew from
 * what was in use on them, so that nothing is counted twice and what comes late is counted yet. What was missed while
 * nobody ran is made up for at the start. Days stay when users and the rows of their sessions go.
 */
@Injectable()
export class SessionDays implements OnModuleInit {
  #caughtUp = false;
  #turn = 0;
  #restUntil = 0;

  constructor(
    private readonly repository: SessionDaysRepository,
    private readonly clock: DatabaseClock,
    private readonly periodic: PeriodicService,
  ) {}

  onModuleInit(): void {
    this.periodic.every('session-days', EVERY_MS, () => this.run(), { once: true, immediately: true });
  }

  /** One round. Rejects when PostgreSQL is away; the next round does what this one could not. */
  async run(): Promise<void> {
    const started = this.clock.now();
    if (started < this.#restUntil) return;
    try {
      const today = Math.floor(started / DAY_MS) * DAY_MS;
      const earlier = new Date(today - (this.#turn + 1) * DAY_MS);
      const days = this.#caughtUp ? [earlier, new Date(today)] : await this.repository.activeDays();
      for (const day of days) await this.repository.aggregate(day);
      this.#caughtUp = true;
      if (this.#turn === 0)
        await this.repository.forgetBefore(new Date(today - LATE_DAYS * DAY_MS), new Date(today - KEPT_DAYS * DAY_MS));
      this.#turn = (this.#turn + 1) % LATE_DAYS;
    } finally {
      this.repository.close();
      const ended = this.clock.now();
      this.#restUntil = ended + (ended - started) * REST;
    }
  }

  /**
   * A page of days, the latest first unless asked otherwise: `from` on, before `to`.
   *
   * @throws InvalidRequestError naming each bad parameter.
   */
  async list(raw: Readonly<Record<string, unknown>>): Promise<Page<SessionDayView>> {
    const query = parseListQuery(raw, SESSION_DAY_LIST);
    return toPage(
      await this.repository.list(query),
      query,
      (day) => day,
      ({ day, country }) => [day, country ?? ''],
    );
  }
}
