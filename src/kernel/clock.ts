/** Where the time comes from, so that tests can hold it still. Injected by this class as the token. */
export class Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now();
  }
}
