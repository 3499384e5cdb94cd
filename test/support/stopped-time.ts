/**
 * Stops time for one test: `Date`, timers and the clock that caches age by stand still until `elapse` moves them all.
 * Call `jest.useRealTimers()` after the test.
 */
export function stopTime(now = Date.UTC(2026, 0, 1)): void {
  // Caches hold on to the `performance` they were loaded with, so it is this one that must stand still.
  jest.useFakeTimers({ now, doNotFake: ['nextTick', 'performance', 'queueMicrotask', 'setImmediate'] });
  jest.spyOn(performance, 'now').mockImplementation(() => Date.now());
}

/** Moves stopped time on, and lets everything that became due run to its end. */
export async function elapse(milliseconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(milliseconds);
}

/** Lets everything that needs no time run to its end. */
export async function settle(): Promise<void> {
  await new Promise(setImmediate);
}
