import { InvalidRequestError } from '../../kernel/app-error.js';
import { TooManyKeysError } from '../../kernel/identity-errors.js';
import type { Mint } from '../../platform/idempotency/idempotency.service.js';
import { ApiKeysService } from './api-keys.service.js';
import type { CreatedClient, NewClient } from './clients.service.js';
import { OPERATOR, type SelfGrantor } from './grantor.js';

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const USER = 'usr_0123456789ABCDEFGHIJ';
const CREATED = {} as CreatedClient;
const callerWith = (...scopes: string[]): SelfGrantor => ({
  ...OPERATOR,
  scopes,
  selfId: USER,
  ownerId: USER,
  tier: 'gold',
});

/** The service over stand-ins that tell what it asked of them. */
function setUp({ isFull = false } = {}) {
  const calls: string[] = [];
  const made: NewClient[] = [];
  const clients = {
    create: async (_grantor: SelfGrantor, input: NewClient, mint: Mint<CreatedClient>) => {
      made.push(input);
      return mint(async () => {
        calls.push('insert');
        return CREATED;
      });
    },
    update: async () => void calls.push('update'),
  };
  const owners = {
    reserve: async (_transaction: unknown, userId: string) => {
      calls.push(`reserve ${userId}`);
      if (isFull) throw new TooManyKeysError(100);
    },
  };
  const args = [clients, {}, owners, { now: () => NOW }];
  const keys = new ApiKeysService(...(args as unknown as ConstructorParameters<typeof ApiKeysService>));
  const mint: Mint<CreatedClient> = (work) => work({} as never);
  return { keys, calls, made, mint };
}

describe('create', () => {
  it('makes a client of the caller, in its tier, for 90 days', async () => {
    const { keys, made, mint } = setUp();
    await expect(keys.create(callerWith('llm:invoke'), { name: 'a' }, mint)).resolves.toBe(CREATED);
    expect(made).toEqual([{ name: 'a', ownerId: USER, tier: 'gold', expiresAt: new Date(NOW + 90 * DAY_MS) }]);
  });

  it('takes no owner and no tier, should they ever get here', async () => {
    const { keys, made, mint } = setUp();
    const input = { name: 'a', ownerId: 'usr_other', tier: 'free' };
    await keys.create(callerWith(), input, mint);
    expect(made[0]).toMatchObject({ ownerId: USER, tier: 'gold' });
  });

  it('holds the place before it inserts, in the same transaction; without one nothing is made', async () => {
    const { keys, calls, mint } = setUp();
    await keys.create(callerWith(), { name: 'a' }, mint);
    expect(calls).toEqual([`reserve ${USER}`, 'insert']);
    const full = setUp({ isFull: true });
    await expect(full.keys.create(callerWith(), { name: 'a' }, full.mint)).rejects.toThrow(
      'A user has 100 keys at most. Revoke one that is no longer used.',
    );
    expect(full.calls).toEqual([`reserve ${USER}`]);
  });
});

describe.each(['create', 'update'] as const)('the end, by %s', (how) => {
  const ask = async (expiresAt: Date | null, ...scopes: string[]) => {
    const { keys, calls, mint } = setUp();
    if (how === 'create') await keys.create(callerWith(...scopes), { name: 'a', expiresAt }, mint);
    else await keys.update(callerWith(...scopes), 'cn_live_0123456789AB', { expiresAt });
    return calls.length;
  };

  it('is at most 365 days away, to the millisecond', async () => {
    const latest = new Date(NOW + 365 * DAY_MS);
    expect(await ask(latest, 'api_keys:write')).toBeGreaterThan(0);
    const later = ask(new Date(latest.getTime() + 1), 'api_keys:write');
    await expect(later).rejects.toThrow(InvalidRequestError);
    await expect(later).rejects.toThrow(
      'body.expires_at: must be at most 365 days away, unless you hold "api_keys:admin"',
    );
    await expect(ask(null, 'api_keys:write')).rejects.toThrow(InvalidRequestError);
  });

  it.each(['api_keys:admin', 'admin'])('is as far away as it likes, or none, for those who hold %s', async (scope) => {
    expect(await ask(new Date(NOW + 3650 * DAY_MS), scope)).toBeGreaterThan(0);
    expect(await ask(null, scope)).toBeGreaterThan(0);
  });
});

it('a change that leaves the end alone asks nothing of it', async () => {
  const { keys, calls } = setUp();
  await keys.update(callerWith(), 'cn_live_0123456789AB', { name: 'b' });
  expect(calls).toEqual(['update']);
});
