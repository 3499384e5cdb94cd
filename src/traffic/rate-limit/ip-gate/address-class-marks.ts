import { RATE_CLASS_MARK, type RateClass } from '../../../kernel/handler-marks.js';
import type { Marked } from '../rate-class-marks.js';

const EVERYWHERE: readonly RateClass[] = Object.freeze(['address'] as const);
const WITH_LOGIN: readonly RateClass[] = Object.freeze(['address', 'login'] as const);

/** The classes of each handler that are counted per address, read from its `@RateClasses` mark once. */
export class AddressClassMarks {
  readonly #classes = new WeakMap<Marked, readonly RateClass[]>();

  /** One of two lists: `address` for every route, and `login` with it where it is marked. */
  of(handler: Marked, controller: Marked): readonly RateClass[] {
    let classes = this.#classes.get(handler);
    if (classes === undefined) {
      const marked: readonly RateClass[] | undefined =
        Reflect.getMetadata(RATE_CLASS_MARK, handler) ?? Reflect.getMetadata(RATE_CLASS_MARK, controller);
      classes = marked?.includes('login') ? WITH_LOGIN : EVERYWHERE;
      this.#classes.set(handler, classes);
    }
    return classes;
  }
}
