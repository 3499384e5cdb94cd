/** Where a committed change of a client is announced, so that no cache goes on answering from what was before. */
export abstract class RevocationChannel {
  /** Seconds within which every replica notices a change that could not be announced. */
  abstract readonly recheckSeconds: number;

  /**
   * Ends every cached credential of the client older than `version`.
   *
   * @returns `everywhere`: no request that starts from now on is answered from an older one. `pending`: that cannot be
   *   promised yet; `recheckSeconds` bounds it.
   */
  abstract revoke(clientId: string, version: string): Promise<'everywhere' | 'pending'>;
}
