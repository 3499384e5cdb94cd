import { FrozenClock } from '../../../test/support/frozen-clock.js';
import { DatabaseClock } from './database-clock.js';

const LOCAL = Date.UTC(2026, 0, 1);
const AHEAD_MS = 300_000;

const clockOn = (local: FrozenClock) => new DatabaseClock(local);

describe('DatabaseClock', () => {
  it('is this machine’s until it was measured', () => {
    expect(clockOn(new FrozenClock(LOCAL)).now()).toBe(LOCAL);
  });

  it('is PostgreSQL’s once it was, and goes on with this machine’s', () => {
    const local = new FrozenClock(LOCAL);
    const clock = clockOn(local);
    clock.measured(LOCAL + AHEAD_MS + 1, LOCAL, LOCAL + 2);
    expect(clock.now()).toBe(LOCAL + AHEAD_MS);
    local.advance(7);
    expect(clock.now()).toBe(LOCAL + AHEAD_MS + 7);
  });

  it('does not wobble with measurements it explains', () => {
    const clock = clockOn(new FrozenClock(LOCAL));
    clock.measured(LOCAL + AHEAD_MS + 1, LOCAL, LOCAL + 2);
    clock.measured(LOCAL + AHEAD_MS + 19, LOCAL, LOCAL + 20);
    expect(clock.now()).toBe(LOCAL + AHEAD_MS);
  });

  it('follows a step of either clock', () => {
    const clock = clockOn(new FrozenClock(LOCAL));
    clock.measured(LOCAL + AHEAD_MS + 1, LOCAL, LOCAL + 2);
    clock.measured(LOCAL + 1, LOCAL, LOCAL + 2);
    expect(clock.now()).toBe(LOCAL);
  });

  it.each([1_400, 60_000])('stays what it was when a measurement took %d ms', (took) => {
    const local = new FrozenClock(LOCAL);
    const clock = clockOn(local);
    clock.measured(LOCAL + AHEAD_MS + 1, LOCAL, LOCAL + 2);
    local.advance(took);
    clock.measured(LOCAL + AHEAD_MS + 1, LOCAL, LOCAL + took);
    expect(clock.now()).toBe(LOCAL + took + AHEAD_MS);
  });
});
