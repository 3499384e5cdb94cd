import { Injectable } from '@nestjs/common';
import { type FieldError, InvalidRequestError } from '../../kernel/app-error.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ApiLogRollupsService } from '../../records/api-log/rollups/api-log-rollups.service.js';
import type { UsageView } from './client-usage.dto.js';
import { ClientsService } from './clients.service.js';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const MAX_DAYS = 366;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** What clients asked for, day by day. */
@Injectable()
export class ClientUsageService {
  constructor(
    private readonly clients: ClientsService,
    private readonly rollups: ApiLogRollupsService,
    private readonly clock: DatabaseClock,
  ) {}

  /**
   * The usage of a client on the days from `from` to `to` (`YYYY-MM-DD`, UTC, both included; by default the last 30),
   * without the days on which it asked for nothing. It lags behind the requests by a minute, and by what a read replica
   * does.
   *
   * @param ownerId whose client it must be; null: anybody's.
   * @throws NotFoundError; InvalidRequestError naming each bad parameter. Rejects when PostgreSQL is away.
   */
  async of(clientId: string, raw: Readonly<Record<string, unknown>>, ownerId: string | null): Promise<UsageView> {
    const { from, to } = this.#read(raw);
    await this.clients.get(clientId, ownerId);
    const days = await this.rollups.daysOf(clientId, from, new Date(to.getTime() + DAY_MS));
    return {
      client_id: clientId,
      from: dayOf(from),
      to: dayOf(to),
      data: days.map(({ day, requests, errors, inputTokens, outputTokens }) => ({
        day,
        requests,
        errors,
        input_tokens: inputTokens,
        output_tokens: outputTokens,
      })),
    };
  }

  #read(raw: Readonly<Record<string, unknown>>): { readonly from: Date; readonly to: Date } {
    const errors: FieldError[] = [];
    for (const name of Object.keys(raw))
      if (name !== 'from' && name !== 'to')
        errors.push({ location: `query.${name.slice(0, 64)}`, message: 'is not a parameter of this route' });
    const today = startOf(this.clock.now());
    const to = raw['to'] === undefined ? today : readDay(raw['to']);
    if (to === null) errors.push(notADay('query.to'));
    const end = to ?? today;
    const from =
      raw['from'] === undefined ? startOf(end.getTime() - (DEFAULT_DAYS - 1) * DAY_MS) : readDay(raw['from']);
    if (from === null) errors.push(notADay('query.from'));
    else if (from > end) errors.push({ location: 'query.from', message: 'must not be after `to`' });
    else if (end.getTime() - from.getTime() >= MAX_DAYS * DAY_MS)
      errors.push({ location: 'query.from', message: `must be at most ${MAX_DAYS} days before \`to\`` });
    if (errors.length > 0 || from === null) throw new InvalidRequestError(errors);
    return { from, to: end };
  }
}

function notADay(location: string): FieldError {
  return { location, message: 'must be a day, e.g. 2026-01-31' };
}

/** The beginning of a day that exists; null for anything else. */
function readDay(value: unknown): Date | null {
  if (typeof value !== 'string' || !DAY.test(value)) return null;
  const day = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && dayOf(day) === value ? day : null;
}

function startOf(time: number): Date {
  return new Date(Math.floor(time / DAY_MS) * DAY_MS);
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
