/**
 * One request that is about to say who it is. It stands between a guess and the price of checking one: whoever is about
 * to hash reserves first, and takes the reservation back when the secret was right. What is left reserved is a failure.
 */
export interface AuthAttempt {
  /** The real client address, after `TRUSTED_PROXIES`. */
  readonly address: string;
  /** What the caller calls itself, cut to what may be stored; null when it says nothing. */
  readonly userAgent: string | null;
  /**
   * Reserves one failed attempt of the address, and of `subject` (a client id, known or not). To be awaited before any
   * hashing.
   *
   * @param trustedAddresses where `subject` was lately right: a stranger's failures do not lock it out from there.
   * @throws RateLimitedError when the budget of either is spent; then nothing is reserved.
   */
  reserve(subject: string, trustedAddresses?: readonly string[]): Promise<void>;
  /** The secret was right: gives back what was reserved. Never throws. */
  succeeded(): void;
}
