import { inspect } from 'node:util';
import { Secret } from './secret.js';

describe('Secret', () => {
  const secret = new Secret('hunter2');

  it.each([
    ['interpolation', () => `${secret}`],
    ['concatenation', () => `x${String(secret)}`],
    ['JSON', () => JSON.stringify({ deep: [secret] })],
    ['inspection', () => inspect({ secret }, { showHidden: true, depth: null })],
    ['spreading', () => JSON.stringify({ ...secret })],
    ['an error', () => inspect(Object.assign(new Error('x'), { secret }))],
  ])('is not seen by %s', (_name, print) => {
    expect(print()).not.toContain('hunter2');
  });

  it('is seen by who asks for it by name', () => {
    expect(secret.reveal()).toBe('hunter2');
  });
});
