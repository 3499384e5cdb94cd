import { startApp, type TestApp } from '../support/app.js';
import { httpCall } from '../support/http-call.js';
import { buildUser } from '../support/people.js';

const ROUNDS = 200;
/** What one kind takes may be so many times what another does: far less than a lookup, a token or a mail would add. */
const RATIO = 1.25;

let core: TestApp;
const emails = new Map<string, () => string>();

beforeAll(async () => {
  // Its mail server is away: mail that is promised stays, and the second promise of the same meets the first.
  core = await startApp({ settings: { RATE_LIMITS: 'login=1000000/60,general=1000000/60' } });
  const [active, suspended] = await Promise.all([
    buildUser(core.database),
    buildUser(core.database, { status: 'suspended' }),
  ]);
  let last = 0;
  emails.set('nobody, another one each time', () => `nobody${++last}@example.com`);
  emails.set('nobody, the same one each time', () => 'nobody@example.com');
  emails.set('a user', () => active.email);
  emails.set('a suspended user', () => suspended.email);
});
afterAll(() => core?.stop());

describe('asking for a new password', () => {
  it('takes the same time, whoever it is for', async () => {
    const times = new Map([...emails.keys()].map((kind) => [kind, [] as number[]]));
    for (let round = -10; round < ROUNDS; round++) {
      for (const [kind, emailOf] of emails) {
        const body = { email: emailOf() };
        const started = performance.now();
        const { status } = await httpCall(core.url, 'POST', '/api/v1/auth/forgot-password', { body });
        if (round >= 0) times.get(kind)?.push(performance.now() - started);
        expect(status).toBe(202);
      }
    }
    const medians = [...times.values()].map((each) => each.toSorted((one, other) => one - other)[ROUNDS / 2] ?? 0);
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(RATIO);
  });
});
