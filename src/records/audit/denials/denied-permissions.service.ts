import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { RequestRecord } from '../../../kernel/request-record.js';
import type { HttpRequest } from '../../../platform/http/http-request.js';
import type { RequestObserver } from '../../../platform/http/request-observer.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import { type AuditEvent, type AuditOrigin, AuditService, originOf } from '../audit.service.js';

/** One row a minute says that somebody tries; the next one says how often they did. */
const QUIET_MS = 60_000;
const MAX_KEPT = 10_000;
const MAX_QUEUE = 2_000;
const BATCH = 200;
/** What a service answers to a caller who asks for more than it holds, or is not of the kind that it has to be. */
const BEHIND_THE_GUARDS: ReadonlySet<string> = new Set(['permission_denied', 'user_required']);

/** A request that was refused because its identity lacks what the route asks for. */
export interface DeniedPermission {
  readonly origin: AuditOrigin;
  /** What the route asks for; null where it asks for an identity of another kind. */
  readonly permission: string | null;
  readonly method: string;
  /** The template of the route, never the path that was asked for. */
  readonly route: string;
  /** The code of the refusal. */
  readonly code: string;
}

type DeniedEvent = AuditEvent<'permission.denied'> & { readonly at: number };

interface Kept {
  /** The last of them. */
  denied: DeniedPermission;
  /** Until when the next ones are only counted. */
  quietUntil: number;
  suppressed: number;
}

/**
 * Refusals for want of a permission, as rows of the audit log: one for each actor, permission and route in a minute on
 * this replica, and what was refused besides is counted in the next, so that rows and counts add up. A refusal never waits for its row. Rows wait in a
 * bounded queue while PostgreSQL is away; what does not fit is counted and lost.
 */
@Injectable()
export class DeniedPermissions implements RequestObserver, BeforeApplicationShutdown {
  /** Counted since start: rows that were written, refusals that are only a number in one, and those that are nowhere. */
  readonly stats = { written: 0, suppressed: 0, lost: 0 };
  readonly #kept = new Map<string, Kept>();
  readonly #queue: DeniedEvent[] = [];
  readonly #refused = new WeakSet<RequestRecord>();
  #writing: Promise<void> | null = null;

  constructor(
    private readonly audit: AuditService,
    private readonly clock: DatabaseClock,
  ) {}

  /** Rows that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Takes note of a request that a guard refused: that, by whom, and what the route asks for.
   *
   * @param permission null where the route asks for an identity of another kind. @param code the refusal's.
   */
  refused(request: HttpRequest, permission: string | null, code: string): void {
    const { record, method } = request;
    this.#refused.add(record);
    this.note({ origin: originOf(request), permission, method, route: request.routeOptions.url ?? '', code });
  }

  /** Takes note of what was refused behind the guards: more was asked for than the caller holds. */
  onRecordClosed(record: RequestRecord): void {
    const { method, route, clientId, userId, address, requestId, errorCode: code } = record;
    if (code === null || !BEHIND_THE_GUARDS.has(code) || record.status !== 403 || this.#refused.has(record)) return;
    const by = { address, requestId, userId } as const;
    const origin: AuditOrigin =
      clientId === null
        ? { ...by, actorType: userId === null ? 'anonymous' : 'user', actorId: userId }
        : { ...by, actorType: 'client', actorId: clientId };
    this.note({ origin, permission: null, method, route: route ?? '', code });
  }

  /** Takes note of a refusal; a few microseconds, without waiting or throwing. */
  note(denied: DeniedPermission): void {
    const now = this.clock.now();
    const { origin, permission, method, route } = denied;
    const key = `${origin.actorType} ${origin.actorId ?? origin.address} ${permission} ${method} ${route}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) {
      if (this.#kept.size >= MAX_KEPT) this.stats.lost += 1;
      else {
        this.#kept.set(key, { denied, quietUntil: now + QUIET_MS, suppressed: 0 });
        this.#enqueue(denied, 0, now);
      }
    } else if (now < kept.quietUntil) {
      kept.denied = denied;
      kept.suppressed += 1;
    } else {
      this.#enqueue(denied, kept.suppressed, now);
      kept.quietUntil = now + QUIET_MS;
      kept.suppressed = 0;
    }
  }

  /**
   * Writes what waits, and the counts of minutes that are over. Called every second; rejects when PostgreSQL does not
   * take the rows, which then wait for the next call.
   */
  async flush(): Promise<void> {
    const now = this.clock.now();
    for (const [key, kept] of this.#kept) {
      if (now < kept.quietUntil) continue;
      if (kept.suppressed === 0) this.#kept.delete(key);
      else {
        // This row stands for one of them itself.
        this.#enqueue(kept.denied, kept.suppressed - 1, now);
        kept.quietUntil = now + QUIET_MS;
        kept.suppressed = 0;
      }
    }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    await this.#writing;
  }

  /** Writes the last rows, counts included, if PostgreSQL takes them now. */
  async beforeApplicationShutdown(): Promise<void> {
    for (const kept of this.#kept.values()) kept.quietUntil = Number.NEGATIVE_INFINITY;
    await this.#writing?.catch(() => undefined);
    await this.flush().catch(() => undefined);
  }

  #enqueue(denied: DeniedPermission, suppressed: number, at: number): void {
    if (this.#queue.length >= MAX_QUEUE) {
      this.stats.lost += 1 + suppressed;
      return;
    }
    this.stats.suppressed += suppressed;
    const { origin, permission, method, route, code } = denied;
    this.#queue.push({
      action: 'permission.denied',
      origin,
      subject: { type: 'route', id: `${method} ${route}` },
      outcome: 'refused',
      details: { permission, code, suppressed },
      at,
    });
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH);
      await this.audit.recordAll(batch);
      this.#queue.splice(0, batch.length);
      this.stats.written += batch.length;
    }
  }
}
