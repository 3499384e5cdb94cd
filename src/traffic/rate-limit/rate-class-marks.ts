import { RATE_CLASS_MARK, type RateClass } from '../../kernel/handler-marks.js';

// biome-ignore lint/complexity/noBannedTypes: what Nest's ExecutionContext hands out for handlers and classes
export type Marked = Function;

const UNMARKED: readonly RateClass[] = ['general'];
const PER_CLIENT: readonly RateClass[] = ['general', 'query', 'key_creation'];

/** The bucket classes of each handler, read from its `@RateClasses` mark once. */
export class RateClassMarks {
  readonly #classes = new WeakMap<Marked, readonly RateClass[]>();

  /**
   * The same list for the same handler, every time. The handler's own mark goes before its controller's.
   *
   * @throws RangeError for a class that is counted per address: no guard behind the identity could enforce it.
   */
  of(handler: Marked, controller: Marked): readonly RateClass[] {
    let classes = this.#classes.get(handler);
    if (classes === undefined) {
      classes = read(handler) ?? read(controller) ?? UNMARKED;
      const foreign = classes.find((rateClass) => !PER_CLIENT.includes(rateClass));
      if (foreign !== undefined) throw new RangeError(`The class "${foreign}" is not counted per client.`);
      this.#classes.set(handler, classes);
    }
    return classes;
  }
}

function read(marked: Marked): readonly RateClass[] | undefined {
  return Reflect.getMetadata(RATE_CLASS_MARK, marked);
}
