/** How many wrong passwords of an account are looked at in 24 hours: without a known device, with any, with one of them. */
export interface GuessShares {
  readonly strangers: number;
  readonly known: number;
  readonly device: number;
}

/**
 * Divides the guesses of a day. A fifth is kept for devices that have signed in to the account before, and no one of them
 * gets more than half of that: whoever guesses without one, or with one of several, leaves the owner some on theirs. The
 * sum is never more than `perDay`.
 */
export function guessShares(perDay: number): GuessShares {
  const known = Math.max(1, Math.floor(perDay / 5));
  return { strangers: perDay - known, known, device: Math.ceil(known / 2) };
}

/** Failures in a row from which on the delay is as long as it gets: 2^10 seconds would be more. */
const LONGEST_DELAY_FROM = 13;

/** What an attempt brings about if it fails: the longest delay for the first time, or the end of the day's guesses. */
export function lockoutBy(
  { failures, guesses }: { readonly failures: number; readonly guesses: number },
  share: number,
): 'guesses' | 'delay' | null {
  if (guesses >= share) return 'guesses';
  return failures === LONGEST_DELAY_FROM ? 'delay' : null;
}
