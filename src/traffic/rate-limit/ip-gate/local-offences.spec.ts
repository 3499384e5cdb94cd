import { LocalOffences } from './local-offences.js';

const ATTEMPTS = { count: 10, windowMs: 1_000 };
const IDS = { count: 3, windowMs: 2_000 };

describe('LocalOffences', () => {
  it('finds enough attempts within the window, once', () => {
    const offences = new LocalOffences(ATTEMPTS, IDS);
    expect(offences.add('a', 9, ['x'], 0)).toBeNull();
    expect(offences.add('b', 9, ['x'], 0)).toBeNull();
    expect(offences.add('a', 1, ['x'], 999)).toBe('attempts');
    expect(offences.add('a', 9, ['x'], 999)).toBeNull();
  });

  it('begins anew when the window is over', () => {
    const offences = new LocalOffences(ATTEMPTS, IDS);
    offences.add('a', 9, ['x', 'y'], 0);
    expect(offences.add('a', 9, ['y'], 1_000)).toBeNull();
    expect(offences.add('a', 0, ['z'], 2_000)).toBeNull();
  });

  it('finds enough different ids', () => {
    const offences = new LocalOffences(ATTEMPTS, IDS);
    expect(offences.add('a', 1, ['x', 'y', 'x'], 0)).toBeNull();
    expect(offences.add('a', 1, ['y', 'z'], 0)).toBe('client_ids');
  });

  it('looks for one of the two alone where the other is off', () => {
    expect(new LocalOffences(null, IDS).add('a', 1_000, ['x'], 0)).toBeNull();
    expect(new LocalOffences(null, IDS).add('a', 1, ['x', 'y', 'z'], 0)).toBe('client_ids');
    expect(new LocalOffences(ATTEMPTS, null).add('a', 1, ['x', 'y', 'z', 'w'], 0)).toBeNull();
    expect(new LocalOffences(ATTEMPTS, null).add('a', 10, [], 0)).toBe('attempts');
  });
});
