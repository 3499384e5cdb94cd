import { inspect } from 'node:util';
import { PasswordStrengthService } from '../../src/identity/users/password-strength.service.js';
import { ServiceUnavailableError } from '../../src/kernel/app-error.js';
import { Secret } from '../../src/kernel/secret.js';
import { PASSWORD } from '../support/people.js';

/** What the estimate takes longest for. */
const HARD = ['1'.repeat(72), '4@3$'.repeat(18), '((((4@13$$0'.repeat(7), '11/22/3333'.repeat(12), 'a'.repeat(128)];

describe('the strength of a password', () => {
  let strength: PasswordStrengthService;
  beforeEach(() => {
    strength = new PasswordStrengthService();
  });
  afterEach(() => strength.onApplicationShutdown());
  const of = (password: string, words: string[] = []) => strength.of(new Secret(password), words);

  it('says what is leaked, whatever its case, and what is guessed', async () => {
    for (const leaked of ['password1234', 'Qwerty123456', 'UNBELIEVABLE']) {
      const { score } = await of(leaked);
      expect(score).toBeLessThan(3);
    }
    expect(await of('PasswordPassword')).toEqual({ leaked: true, score: expect.any(Number) });
    for (const weak of ['iloveyou1234', 'aaaaaaaaaaaaaaaa', 'abcdefghijklmnop', '123412341234', 'passw0rdpassw0rd'])
      expect((await of(weak)).score).toBeLessThan(3);
    for (const strong of [PASSWORD, 'correct horse battery staple', 'сложный пароль из слов', 'kX9#vLq2!mRz'])
      expect(await of(strong)).toEqual({ leaked: false, score: expect.any(Number) });
    expect((await of(PASSWORD)).score).toBe(4);
  });

  it('counts words of the user', async () => {
    expect((await of('zyxograph zyxo')).score).toBe(4);
    expect((await of('zyxograph zyxo', ['zyxograph', 'zyxo'])).score).toBeLessThan(3);
  });

  it('is estimated beside the event loop', async () => {
    await of('the word lists are loaded with the first one');
    const before = process.threadCpuUsage();
    const started = performance.now();
    await Promise.all(HARD.map((password) => of(password)));
    const elsewhere = performance.now() - started;
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(elsewhere / 5);
  });

  it('is refused with 503 when too many wait, and has an end', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => of(PASSWORD)));
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(refusals.length).toBeGreaterThan(10);
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(ServiceUnavailableError);
    expect((await of(PASSWORD)).score).toBe(4);
  });

  it('holds no password in the error of a job that failed', async () => {
    const failure = await of('canary', 5 as unknown as string[]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(inspect(failure, { depth: null, showHidden: true })).not.toContain('canary');
  });
});
