import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';

/**
 * The time by PostgreSQL's clock, as last measured: what every replica agrees on, however far apart their own clocks
 * are. Good to about a round trip. Before the first measurement, and between two while PostgreSQL is away, this
 * machine's clock carries it on.
 */
@Injectable()
export class DatabaseClock {
  #offsetMs = 0;

  constructor(private readonly clock: Clock) {}

  /** Milliseconds since the Unix epoch. */
  now(): number {
    return this.clock.now() + this.#offsetMs;
  }

  /** This machine's own time, to take before and after a measurement. */
  local(): number {
    return this.clock.now();
  }

  /**
   * Takes a measurement over: PostgreSQL said `databaseMs` at some moment between the local times `before` and `after`.
   * One that the present offset already explains changes nothing, so that the time does not wobble, and a process that
   * was stopped in the middle of one does not take half of that time for an error of its clock.
   */
  measured(databaseMs: number, before: number, after: number): void {
    const explained = databaseMs >= before + this.#offsetMs - 1 && databaseMs <= after + this.#offsetMs + 1;
    if (!explained) this.#offsetMs = Math.round(databaseMs - (before + after) / 2);
  }
}
