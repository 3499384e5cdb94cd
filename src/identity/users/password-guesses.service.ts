import { Injectable } from '@nestjs/common';

/** Who looks at whose password, from where. */
export interface PasswordGuess {
  readonly email: string;
  readonly address: string;
}

/** Counts a guess before it is looked at; throws to refuse it. What it resolves to is called when the guess was right. */
export type GuessCounter = (guess: PasswordGuess) => Promise<() => Promise<void>>;

/**
 * Where passwords are counted that are asked for outside a sign-in: whoever stole a session must not guess the password
 * there more often than at the front door. The room that counts sign-ins says how, at start.
 */
@Injectable()
export class PasswordGuesses {
  #counter: GuessCounter | null = null;

  countedBy(counter: GuessCounter): void {
    this.#counter = counter;
  }

  /** Runs `check`, which says whether a guess was right, once it was counted. Throws what the counter throws. */
  async count(guess: PasswordGuess, check: () => Promise<boolean>): Promise<boolean> {
    const forgive = (await this.#counter?.(guess)) ?? null;
    const right = await check();
    if (right) await forgive?.();
    return right;
  }
}
