import { randomInt } from 'node:crypto';
import { Injectable, Optional } from '@nestjs/common';
import { ApiLogCopyRepository } from './api-log-copy.repository.js';

const MAX_INT4 = 2_147_483_647;

/**
 * Numbers the rows of this process from 1 on, and keeps PostgreSQL told how many there should be: a number without a
 * row is a row that was lost. A process is known by a random number, drawn anew at each start and when the numbers of
 * one are used up.
 */
@Injectable()
export class ApiLogNumbers {
  #process = randomInt(1, MAX_INT4);
  #issued = 0;
  #marked = 0;

  /** @param last the highest number a process may give. */
  constructor(
    private readonly repository: ApiLogCopyRepository,
    @Optional() private readonly last: number = MAX_INT4,
  ) {}

  get process(): number {
    return this.#process;
  }

  /** The next number, which goes with `process` as it is afterwards. */
  next(): number {
    if (this.#issued === this.last) {
      this.#process = randomInt(1, MAX_INT4);
      this.#issued = 0;
      this.#marked = 0;
    }
    return ++this.#issued;
  }

  /**
   * Tells PostgreSQL how many numbers were given, if there are more than it knows of, and whether these are the last.
   * Never rejects: what could not be told is told the next time.
   */
  async mark(ended: boolean): Promise<void> {
    const issued = this.#issued;
    if (issued === 0 || (issued === this.#marked && !ended)) return;
    await this.repository.mark(this.#process, issued, ended).then(
      () => {
        this.#marked = issued;
      },
      () => undefined,
    );
  }
}
