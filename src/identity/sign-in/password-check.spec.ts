import { InvalidLoginError } from '../../kernel/identity-errors.js';
import { Secret } from '../../kernel/secret.js';
import { type FailedSignIns } from './failed-sign-ins.js';
import { PasswordCheck } from './password-check.js';
import type { SignInDigests } from './sign-in-digests.js';

type Needs = ConstructorParameters<typeof PasswordCheck>;

const origin = { actorType: 'user', actorId: 'usr_1', address: '192.0.2.1', requestId: 'req' } as const;
const facts = { address: '192.0.2.1', userAgent: null, deviceId: null, origin };
const password = new Secret('p');

/** A check of passwords that are all right, with somebody who may sign in as `found`. */
function checkWhere(found: string) {
  const verified: unknown[] = [];
  const failed: object[] = [];
  const user = { id: found, status: 'active', emailVerifiedAt: new Date() };
  const check = new PasswordCheck(
    {
      get: async (id: string) => ({ id, email: 'a@example.test' }),
      findForSignIn: async () => user,
      emailKeyOf: (email: string) => email,
    } as unknown as Needs[0],
    {
      verify: async (holder: unknown) => {
        verified.push(holder);
        return holder !== null;
      },
    } as unknown as Needs[1],
    {} as Needs[2],
    {
      account: (key: string) => `account ${key}`,
      withinSession: (account: string) => `${account} session`,
    } as SignInDigests,
    { reserve: async () => ({ verdict: 'reserved', id: '1', failures: 1, guesses: 1 }) } as unknown as Needs[4],
    {} as Needs[5],
    { record: async (failure: object) => void failed.push(failure) } as unknown as FailedSignIns,
  );
  return { check, verified, failed, user };
}

describe('a password that is asked for again', () => {
  it('is counted apart from those of devices', async () => {
    const { check, user } = checkWhere('usr_1');
    expect(await check.passAgain('usr_1', password, facts)).toMatchObject({
      user,
      keys: { account: 'account a@example.test', address: '192.0.2.1', device: 'account a@example.test session' },
    });
  });

  it("is nobody else's, even of whoever took over the address just now", async () => {
    const { check, verified, failed } = checkWhere('usr_2');
    await expect(check.passAgain('usr_1', password, facts)).rejects.toThrow(InvalidLoginError);
    expect(verified).toEqual([null]);
    expect(failed).toMatchObject([{ userId: null, reason: 'unknown_user' }]);
  });
});
