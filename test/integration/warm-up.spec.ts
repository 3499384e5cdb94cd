import { warmUpDataPlane } from '../../src/traffic/gateway/warm-up.js';

describe('warmUpDataPlane', () => {
  it('takes its requests through and leaves nothing open', async () => {
    await expect(warmUpDataPlane()).resolves.toBeUndefined();
  });
});
