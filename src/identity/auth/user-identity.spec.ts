import {
  buildPrincipalRecord,
  buildPrincipalSession,
  buildPrincipals,
  type FakePrincipals,
  SESSION_ID,
  T0,
  USER_ID,
  warmPrincipals,
} from '../../../test/support/principal-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import type { UserAuth } from '../../kernel/auth-state.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { identify, type UserProof } from './user-identity.js';

const state = { kind: 'user', userId: USER_ID } as UserAuth;

const proof: UserProof = {
  userId: USER_ID,
  sessionId: SESSION_ID,
  stateOf: (principal) => ({ ...state, tier: principal.tier }),
  refuse: () => {
    throw new InvalidTokenError();
  },
};

const termsOf = ({ principals, clock }: FakePrincipals) => ({ principals, now: () => clock.now() });
const ask = async (known: FakePrincipals, shown = proof) => identify(shown, termsOf(known));
const refused = (known: FakePrincipals, shown = proof) => expect(ask(known, shown)).rejects.toThrow(InvalidTokenError);

describe('identify', () => {
  beforeEach(() => stopTime(T0));
  afterEach(() => jest.useRealTimers());

  it('answers at once for whom it remembers, and asks nobody', async () => {
    const known = await warmPrincipals();
    expect(identify(proof, termsOf(known))).toMatchObject({ state: { userId: USER_ID }, fence: { stamp: '7|' } });
    expect(known.people.reads).toBe(1);
  });

  it.each(['suspended', 'invited'] as const)('refuses a user who is %s', async (status) => {
    const known = buildPrincipals();
    known.people.records.set(USER_ID, buildPrincipalRecord({ status }));
    await refused(known);
  });

  it('refuses whom nobody knows', () => refused(buildPrincipals()));

  it('finds a session that is newer than what it remembers', async () => {
    const known = await warmPrincipals();
    const record = known.people.records.get(USER_ID) ?? buildPrincipalRecord();
    const newer = { ...buildPrincipalSession(), id: 'ses_new' };
    known.people.records.set(USER_ID, { ...record, sessions: [...record.sessions, newer] });
    expect(await ask(known, { ...proof, sessionId: 'ses_new' })).toMatchObject({ fence: null });
    await refused(known, { ...proof, sessionId: 'ses_never' });
  });

  it('lets nobody on after the idle time, unless the session was used elsewhere meanwhile', async () => {
    const known = await warmPrincipals();
    await elapse(30 * 60_000 - 1);
    expect(await ask(known)).toMatchObject({ state: { userId: USER_ID } });
    await elapse(1);
    await refused(known);
    known.people.records.set(
      USER_ID,
      buildPrincipalRecord({ sessions: [buildPrincipalSession({ lastSeenAt: Date.now() - 1_000 })] }),
    );
    expect(await ask(known)).toMatchObject({ state: { userId: USER_ID } });
  });

  it('lets nobody on after the end, used or not', async () => {
    const known = buildPrincipals();
    const sessions = [buildPrincipalSession({ expiresAt: T0 + 60_000 })];
    known.people.records.set(USER_ID, buildPrincipalRecord({ sessions }));
    await elapse(59_999);
    expect(await ask(known)).toMatchObject({ state: { userId: USER_ID } });
    await elapse(1);
    await refused(known);
  });

  it('refuses a proof that is not good by what is remembered only when PostgreSQL says so too', async () => {
    const known = await warmPrincipals();
    const reads = known.people.reads;
    await refused(known, { ...proof, stateOf: () => null });
    expect(known.people.reads).toBe(reads + 1);
    known.people.away = true;
    known.redis.values.clear();
    await expect(ask(known, { ...proof, stateOf: () => null })).rejects.toThrow(AuthUnavailableError);
  });

  it('refuses nobody on what is served while PostgreSQL is away: the session may be newer, or used elsewhere', async () => {
    const known = await warmPrincipals();
    known.people.away = true;
    expect(await ask(known)).toMatchObject({ state: { userId: USER_ID } });
    for (const shown of [
      { ...proof, sessionId: 'ses_new' },
      { ...proof, stateOf: () => null },
    ])
      await expect(ask(known, shown)).rejects.toThrow(AuthUnavailableError);
  });

  it('waits for a PostgreSQL that is slow where what it remembers will not do', async () => {
    const known = await warmPrincipals();
    known.people.records.set(USER_ID, buildPrincipalRecord({ sessions: [buildPrincipalSession({ id: 'ses_new' })] }));
    known.people.afterRead = () => new Promise((done) => setTimeout(done, 800));
    const asked = ask(known, { ...proof, sessionId: 'ses_new' });
    await elapse(2_000);
    await expect(asked).resolves.toMatchObject({ state: { userId: USER_ID }, fence: null });
  });

  describe('confirming', () => {
    it('costs one question to Redis', async () => {
      const known = await warmPrincipals();
      const identity = await ask(known);
      const confirmed = await identity.confirm();
      expect(confirmed).toMatchObject({ state: { userId: USER_ID }, fence: null });
      expect(known.people.reads).toBe(1);
      await expect(confirmed.confirm()).resolves.toBe(confirmed);
    });

    it('looks again where Redis names another version', async () => {
      const known = await warmPrincipals();
      const identity = await ask(known);
      known.redis.values.set(`cn:{${USER_ID}}:principal`, '8|');
      known.people.change({ tier: 'free' });
      await expect(identity.confirm()).resolves.toMatchObject({ state: { tier: 'free' }, fence: null });
    });

    it('throws when the user has been suspended meanwhile', async () => {
      const known = await warmPrincipals();
      const identity = await ask(known);
      known.people.change({ status: 'suspended' });
      await expect(identity.renew()).rejects.toThrow(InvalidTokenError);
    });
  });
});
