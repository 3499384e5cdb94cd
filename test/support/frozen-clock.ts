import { Clock } from '../../src/kernel/clock.js';

/** A clock that stands still until the test moves it. */
export class FrozenClock extends Clock {
  constructor(private milliseconds = Date.UTC(2026, 0, 1)) {
    super();
  }

  override now(): number {
    return this.milliseconds;
  }

  advance(milliseconds: number): void {
    this.milliseconds += milliseconds;
  }

  advanceSeconds(seconds: number): void {
    this.advance(seconds * 1000);
  }

  set(milliseconds: number): void {
    this.milliseconds = milliseconds;
  }
}
