import type { InvalidRequestError } from '../../kernel/app-error.js';

/** What a command has to say: one JSON value for programs, lines for people. */
export interface CommandResult {
  readonly json: unknown;
  readonly text: string;
}

/** The words after the program's name ask for nothing that it does. The message says what is wrong. */
export class UsageError extends Error {}

/** An option that takes a text. As far as the parser goes it may be given more than once: see `single`. */
export const TEXT_OPTION = { type: 'string', multiple: true } as const;

/** The one text of an option. @throws UsageError for a second one: it is refused, and not preferred. */
export function single(option: string, values: readonly string[] | undefined): string | undefined {
  if (values !== undefined && values.length > 1) throw new UsageError(`--${option} may be given once.`);
  return values?.[0];
}

/** Reads words with `util.parseArgs`. Its messages are clear, but only their first sentence is about what was typed. */
export function readWords<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { message = '' } = error as { message?: string };
    throw new UsageError(`${message.split(/\.\s|\n/, 1)[0]}.`.replace('..', '.'));
  }
}

/** A refusal of a request in the words of the command line. @param optionOf the options by the fields they fill. */
export function inOptions(error: InvalidRequestError, optionOf: Readonly<Record<string, string>>): string {
  return (error.errors ?? []).map(({ location, message }) => `${optionOf[location] ?? location} ${message}`).join('; ');
}
