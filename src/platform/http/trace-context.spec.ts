import { traceparentFor } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const OWN = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/;

describe('traceparentFor', () => {
  it('passes a valid one on as it is', () => {
    expect(traceparentFor(`00-${TRACE}-${PARENT}-01`)).toBe(`00-${TRACE}-${PARENT}-01`);
  });

  it('reads a later version as version 00', () => {
    expect(traceparentFor(`cc-${TRACE}-${PARENT}-01-what-comes-later`)).toBe(`00-${TRACE}-${PARENT}-01`);
  });

  it.each([
    undefined,
    '',
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-01-more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`,
    `cc-${TRACE}-${PARENT}-01-${'x'.repeat(600)}`,
    ` 00-${TRACE}-${PARENT}-01`,
  ])('starts a trace of our own for %p', (incoming) => {
    expect(traceparentFor(incoming)).toMatch(OWN);
    expect(traceparentFor(incoming)).not.toContain(TRACE);
  });
});
