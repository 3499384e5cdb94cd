/** So many attempts within so many seconds. */
export interface AttemptBudget {
  readonly attempts: number;
  readonly seconds: number;
}

const BUDGET = /^([1-9]\d{0,5})\/([1-9]\d{0,4})$/;

/** Whether a text is what a budget setting may be: `attempts/seconds`, or `off`. */
export function isAttemptBudget(text: string): boolean {
  return text === 'off' || BUDGET.test(text);
}

/** Reads a validated budget setting; null when it is `off`. */
export function readAttemptBudget(text: string): AttemptBudget | null {
  const [, attempts, seconds] = BUDGET.exec(text) ?? [];
  return attempts === undefined ? null : { attempts: Number(attempts), seconds: Number(seconds) };
}
