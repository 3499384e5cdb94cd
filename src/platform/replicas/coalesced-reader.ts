interface Flight<T> {
  current: Promise<T>;
  next: Promise<T> | null;
}

/**
 * Reads by key so that any number of callers cost a few reads and none gets an answer older than its call: a caller
 * that arrives while a read is under way shares the one that starts after it.
 */
export class CoalescedReader<T> {
  readonly #flights = new Map<string, Flight<T>>();

  constructor(private readonly load: (key: string) => Promise<T>) {}

  /** The value as of a read that started after this call. Rejects as the read does. */
  read(key: string): Promise<T> {
    const flight = this.#flights.get(key);
    if (flight === undefined) return this.#start(key);
    flight.next ??= flight.current.then(
      () => this.#start(key),
      () => this.#start(key),
    );
    return flight.next;
  }

  #start(key: string): Promise<T> {
    const current = this.load(key);
    const flight: Flight<T> = { current, next: null };
    this.#flights.set(key, flight);
    const settle = () => {
      if (flight.next === null) this.#flights.delete(key);
    };
    current.then(settle, settle);
    return current;
  }
}
