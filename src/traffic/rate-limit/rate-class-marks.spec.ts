import { RateClasses } from '../../kernel/handler-marks.js';
import { RateClassMarks } from './rate-class-marks.js';

class Plain {
  unmarked() {}
  @RateClasses('general', 'query')
  marked() {}
  @RateClasses()
  uncounted() {}
  @RateClasses('login')
  perAddress() {}
}

@RateClasses('key_creation')
class Marked {
  inherits() {}
  @RateClasses('general')
  overrides() {}
}

describe('RateClassMarks', () => {
  const marks = new RateClassMarks();

  it('counts an unmarked handler in general', () => {
    expect(marks.of(Plain.prototype.unmarked, Plain)).toEqual(['general']);
  });

  it('takes the handler’s mark, an empty one included', () => {
    expect(marks.of(Plain.prototype.marked, Plain)).toEqual(['general', 'query']);
    expect(marks.of(Plain.prototype.uncounted, Plain)).toEqual([]);
  });

  it('takes the controller’s mark where the handler has none', () => {
    expect(marks.of(Marked.prototype.inherits, Marked)).toEqual(['key_creation']);
    expect(marks.of(Marked.prototype.overrides, Marked)).toEqual(['general']);
  });

  it('gives the same list each time', () => {
    expect(marks.of(Plain.prototype.marked, Plain)).toBe(marks.of(Plain.prototype.marked, Plain));
  });

  it('refuses a class that would not be enforced', () => {
    expect(() => marks.of(Plain.prototype.perAddress, Plain)).toThrow('The class "login" is not counted per client.');
  });
});
