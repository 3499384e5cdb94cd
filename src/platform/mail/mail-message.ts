/** A mail: plain text to one person. Its sender is the operator's (`MAIL_FROM`). */
export interface MailMessage {
  /** One address, and nothing beside it. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** What a mail that is still to be written is about: ids and addresses, never a secret. */
export type MailParams = Readonly<Record<string, string>>;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Bidi_Control}]+/gu;

/** The text on one line: what somebody else chose cannot add a line or turn the reading direction. */
export function oneLine(text: string): string {
  return text.replace(BREAKS, ' ').trim();
}

/** @throws Error for an address or a subject that is more than one line. */
export function assertNoInjection({ to, subject }: MailMessage): void {
  if (oneLine(to) !== to || oneLine(subject) !== subject) throw new Error('A mail header may not hold a line break.');
}
