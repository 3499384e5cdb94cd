import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/**
 * A value that must not be seen. Printing, interpolating, inspecting and serialising it all give `[redacted]`; only
 * {@link Secret.reveal} gives the value, so that every place which unwraps one can be found by name.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value in clear. Hand it straight to what needs it; never store it in a variable that outlives the call. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
