import { compareSync, hashSync } from 'bcryptjs';
import { Secret } from '../../kernel/secret.js';
import type { Settings } from '../../platform/config/settings.js';
import type { Transaction } from '../../platform/database/transactions.js';
import type { AdministratorsService } from '../access/administrators/administrators.service.js';
import type { SecretHasher } from '../hashing/secret-hasher.service.js';
import type { PasswordPolicy } from './password-policy.js';
import { preHash } from './password-text.js';
import { PasswordsService } from './passwords.service.js';
import { UserLifecycle, type UserLifecycleEvent } from './user-lifecycle.service.js';
import type { UserPasswordsRepository } from './user-passwords.repository.js';

const TRANSACTION = {} as Transaction;
const PASSWORD = new Secret('violet harbour-41 tin kettle');
const hashAt = (cost: number, text = PASSWORD.reveal()) => hashSync(preHash(new Secret(text)).reveal(), cost);

/** Passwords at cost 6; `spent` is what bcrypt cost, in units of the lowest. */
function build({ stored = null as string | null, replaces = true } = {}) {
  const spent: number[] = [];
  const hasher = {
    matches: async (secret: Secret, hash: string) => {
      spent.push(2 ** (Number(hash.slice(4, 6)) - 4));
      return compareSync(secret.reveal(), hash);
    },
    spendAsIfMatching: async (_secret: Secret, cost: number) => {
      spent.push(2 ** (cost - 4));
      return false;
    },
    hash: async (secret: Secret, cost: number) => hashSync(secret.reveal(), cost),
  };
  const repository = {
    find: jest.fn(async () => stored),
    replace: jest.fn(async () => replaces),
    replaceHash: jest.fn(async (_id: string, _before: string, _hash: string) => undefined),
  };
  const policy = { assertAcceptable: jest.fn(async () => undefined) };
  const lifecycle = new UserLifecycle();
  const events: UserLifecycleEvent[] = [];
  lifecycle.on(async (event) => void events.push(event));
  const passwords = new PasswordsService(
    hasher as unknown as SecretHasher,
    policy as unknown as PasswordPolicy,
    repository as unknown as UserPasswordsRepository,
    lifecycle,
    { isAdministrator: async () => true } as unknown as AdministratorsService,
    { PASSWORD_BCRYPT_COST: 6 } as Settings,
  );
  return { passwords, spent: () => spent.reduce((sum, each) => sum + each, 0), repository, policy, events };
}
const holder = (passwordHash: string | null) => ({ id: 'usr_1', passwordHash });

describe('checking a password', () => {
  it('takes the right one, in any composition of its characters', async () => {
    const { passwords } = build();
    expect(await passwords.verify(holder(hashAt(6)), PASSWORD)).toBe(true);
    expect(await passwords.verify(holder(hashAt(6, 'é'.repeat(12))), new Secret('é'.repeat(12).normalize('NFD')))).toBe(
      true,
    );
  });

  it('costs every refusal the same: nobody, no password, a wrong one, one too long, a hash of a lower cost', async () => {
    const wrong = new Secret('not the one at all');
    const cases = [
      [null, wrong],
      [holder(null), wrong],
      [holder(hashAt(6)), wrong],
      [holder(hashAt(6)), new Secret('x'.repeat(1_000))],
      [null, new Secret('x'.repeat(1_000_000))],
      [holder(hashAt(4)), wrong],
      [holder(hashAt(5)), wrong],
      [null, new Secret('')],
    ] as const;
    for (const [user, password] of cases) {
      const { passwords, spent } = build();
      expect(await passwords.verify(user, password)).toBe(false);
      expect(spent()).toBe(4);
    }
  });

  it('makes a hash of another cost anew, after a match alone', async () => {
    for (const cost of [4, 7]) {
      const { passwords, repository } = build();
      const before = hashAt(cost);
      expect(await passwords.verify(holder(before), PASSWORD)).toBe(true);
      const [id, replaced, hash] = repository.replaceHash.mock.calls[0] ?? [];
      expect([id, replaced]).toEqual(['usr_1', before]);
      expect(hash).toMatch(/^\$2b\$06\$/);
      expect(compareSync(preHash(PASSWORD).reveal(), hash ?? '')).toBe(true);
    }
    const { passwords, repository } = build();
    await passwords.verify(holder(hashAt(4)), new Secret('not the one at all'));
    await passwords.verify(holder(hashAt(6)), PASSWORD);
    expect(repository.replaceHash).not.toHaveBeenCalled();
  });

  it('is right even where that fails', async () => {
    const { passwords, repository } = build();
    repository.replaceHash.mockRejectedValue(new Error('PostgreSQL is away'));
    expect(await passwords.verify(holder(hashAt(4)), PASSWORD)).toBe(true);
  });

  it('looks the hash up for a user by id', async () => {
    expect(await build({ stored: hashAt(6) }).passwords.verifyOf('usr_1', PASSWORD)).toBe(true);
    expect(await build().passwords.verifyOf('usr_1', PASSWORD)).toBe(false);
  });
});

describe('a new password', () => {
  it('is looked at as that of an administrator where it is one', async () => {
    const { passwords, policy } = build();
    const owner = { id: 'usr_1', email: 'ada@example.com', name: 'Ada' };
    const { hash } = await passwords.accept(PASSWORD, owner, 'body.new_password');
    expect(compareSync(preHash(PASSWORD).reveal(), hash)).toBe(true);
    expect(hash).toMatch(/^\$2b\$06\$/);
    expect(policy.assertAcceptable).toHaveBeenCalledWith(
      PASSWORD,
      { ...owner, isAdministrator: true },
      'body.new_password',
    );
  });

  it('is told to whoever builds on users, when it was stored', async () => {
    const { passwords, events } = build();
    expect(await passwords.change('usr_1', { hash: 'x' }, TRANSACTION)).toBe(true);
    await passwords.change('usr_1', { hash: 'x' }, TRANSACTION, { keepSessionId: 'ses_1', lastChangedAt: null });
    await passwords.change('usr_1', { hash: 'x' }, TRANSACTION, { provedFrom: '192.0.2.1' });
    expect(events).toEqual([
      { type: 'password_changed', userId: 'usr_1' },
      { type: 'password_changed', userId: 'usr_1', keepSessionId: 'ses_1' },
      { type: 'password_changed', userId: 'usr_1', provedFrom: '192.0.2.1' },
    ]);
    const refused = build({ replaces: false });
    expect(await refused.passwords.change('usr_1', { hash: 'x' }, TRANSACTION)).toBe(false);
    expect(refused.events).toEqual([]);
  });
});
