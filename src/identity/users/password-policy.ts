import { Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import { PasswordStrengthService } from './password-strength.service.js';
import {
  charactersOf,
  MAX_PASSWORD_CHARACTERS,
  MIN_ADMINISTRATOR_CHARACTERS,
  MIN_PASSWORD_CHARACTERS,
  normalizedPassword,
} from './password-text.js';

/** Whose password it is to be. */
export interface PasswordOwner {
  readonly email: string;
  readonly name: string;
  readonly isAdministrator: boolean;
}

/** Of zxcvbn's scores the first that a throttled attack does not reach (10^8 guesses). */
const MIN_SCORE = 3;
/** A word of fewer letters is in too many passwords by chance. */
const MIN_WORD_CHARACTERS = 3;
/** Characters there have to be beside the user's own words. */
const MIN_OTHER_CHARACTERS = 8;
const HOUSE_WORDS = ['core-nest', 'corenest'];

const COMPOSITION: readonly RegExp[] = [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u];

/**
 * Which passwords are taken (NIST SP 800-63B, 3.1.1.2): long enough, not known to guessers and not made of what is known
 * about their user; of what characters is all the same, unless `PASSWORD_COMPOSITION` is on.
 */
@Injectable()
export class PasswordPolicy {
  readonly #demandsComposition: boolean;

  constructor(
    private readonly strength: PasswordStrengthService,
    settings: Settings,
  ) {
    this.#demandsComposition = settings.PASSWORD_COMPOSITION === 'on';
  }

  /**
   * @throws InvalidRequestError saying what is wrong with it, and never what it is; ServiceUnavailableError when too
   *   many wait.
   */
  async assertAcceptable(password: Secret, owner: PasswordOwner, location: string): Promise<void> {
    const normalized = normalizedPassword(password);
    const problem =
      normalized === null
        ? `must be text of at most ${MAX_PASSWORD_CHARACTERS} characters`
        : (this.#problemOfForm(normalized, owner) ?? (await this.#problemOfGuessing(normalized, owner)));
    if (problem !== null) throw new InvalidRequestError([{ location, message: problem }]);
  }

  #problemOfForm(password: Secret, { isAdministrator }: PasswordOwner): string | null {
    const text = password.reveal();
    const atLeast = isAdministrator ? MIN_ADMINISTRATOR_CHARACTERS : MIN_PASSWORD_CHARACTERS;
    if (charactersOf(text) < atLeast)
      return `must have at least ${atLeast} characters${isAdministrator ? ', because you administer everything' : ''}`;
    if (this.#demandsComposition && !COMPOSITION.every((kind) => kind.test(text)))
      return 'must hold an upper and a lower case letter, a digit and another character';
    return null;
  }

  async #problemOfGuessing(password: Secret, owner: PasswordOwner): Promise<string | null> {
    const words = ownWords(owner);
    if (charactersOf(withoutWords(password.reveal(), words)) < MIN_OTHER_CHARACTERS)
      return 'must not be made of your name, your e-mail address or the name of this service';
    const { leaked, score } = await this.strength.of(password, words);
    if (leaked) return 'is on the list of common and breached passwords; choose another one';
    return score < MIN_SCORE ? 'is too easily guessed; use more words, or a password manager' : null;
  }
}

/** What a user is known by, in lower case: the longest first, so that none hides in another. */
export function ownWords({ email, name }: Pick<PasswordOwner, 'email' | 'name'>): string[] {
  const known = [email, name].map((text) => text.normalize('NFKC').toLowerCase());
  const parts = known.flatMap((text) => [text, ...text.split(/[^\p{L}\p{Nd}]+/u)]);
  const words = [...parts, ...HOUSE_WORDS].filter((word) => charactersOf(word) >= MIN_WORD_CHARACTERS);
  return [...new Set(words)].sort((one, other) => other.length - one.length);
}

function withoutWords(password: string, words: readonly string[]): string {
  return words.reduce((text, word) => text.replaceAll(word, ''), password.toLowerCase());
}
