import { buildMint } from '../../../test/support/token-mint.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import type { ClientRecall } from '../clients/client-recall.service.js';
import type { Principal, PrincipalsService } from '../principals/principals.service.js';
import type { AccessClaims } from './access-claims.js';
import { TokenStanding } from './token-standing.service.js';

const NOW = Date.UTC(2026, 0, 1);
const CLIENT_ID = 'cn_live_0123456789AB';
const FENCE = { key: 'k', stamp: 's', ttlMs: 1 };

let claims: AccessClaims;
let clock: DatabaseClock;

beforeAll(async () => {
  const mint = await buildMint();
  clock = new DatabaseClock(mint.clock);
  claims = mint.tokens.read(mint.withClaims({}));
});

function principal(changes: object = {}, session: object = {}): Principal {
  const live = {
    id: claims.sessionId,
    kind: 'token',
    lastSeenAt: NOW,
    expiresAt: NOW + 1000,
    idleSeconds: 60,
    ...session,
  };
  return { status: 'active', epoch: '0.0', revokedTokens: [], sessions: [live], ...changes } as unknown as Principal;
}

function ofUsers(known: Principal | null, anew: Principal | null = known) {
  const principals = {
    current: async () => known,
    resolveAnew: async () => anew && { principal: anew, fence: null },
  } as unknown as PrincipalsService;
  return new TokenStanding(principals, {} as ClientRecall, clock);
}

describe("a user's token", () => {
  it('is good while all of it is', async () => {
    expect(await ofUsers(principal()).isGood(claims)).toBe(true);
  });

  it('is good in a session that is newer than what is remembered', async () => {
    expect(await ofUsers(principal({ sessions: [] }), principal()).isGood(claims)).toBe(true);
    expect(await ofUsers(null, principal()).isGood(claims)).toBe(true);
  });

  it('is not said to be void on what is served while PostgreSQL is away', async () => {
    const principals = {
      current: async () => principal({ sessions: [] }),
      resolveAnew: async () => ({ principal: principal({ sessions: [] }), fence: null, isStale: true }),
    } as unknown as PrincipalsService;
    await expect(new TokenStanding(principals, {} as ClientRecall, clock).isGood(claims)).rejects.toThrow(
      AuthUnavailableError,
    );
  });

  it.each<[string, Principal | null]>([
    ['without its user', null],
    ['of a suspended user', { status: 'suspended' } as never],
    ['without its session', { sessions: [] } as never],
    ['of another epoch', { epoch: '0.1' } as never],
    ['that was revoked', { revokedTokens: ['AAAAAAAAAAAAAAAAAAAAAA'] } as never],
  ])('is not good %s', async (_name, changes) => {
    expect(await ofUsers(changes && principal(changes)).isGood(claims)).toBe(false);
  });

  it.each<[string, object]>([
    ['has ended', { expiresAt: NOW }],
    ['is idle', { lastSeenAt: NOW - 60_000 }],
    ['is one by cookie', { kind: 'cookie' }],
  ])('is not good when its session %s', async (_name, session) => {
    expect(await ofUsers(principal({}, session)).isGood(claims)).toBe(false);
  });
});

describe("a client's token", () => {
  const token = () => ({ ...claims, sub: CLIENT_ID, subjectKind: 'client' as const, sessionId: null });
  const known = (epoch: string, fence: object | null = null) => ({ tokens: { epoch, revoked: ['other'] }, fence });

  function ofClients(recalled: object | null, anew: object | null, confirmed = true) {
    const clients = {
      recall: () => recalled,
      confirm: async () => confirmed,
      recallAnew: async (_id: string, fromDatabase: boolean) => (fromDatabase ? anew : null),
    } as unknown as ClientRecall;
    return new TokenStanding({} as PrincipalsService, clients, clock);
  }

  it('is good by what is remembered and confirmed', async () => {
    expect(await ofClients(known('0.0'), null).isGood(token())).toBe(true);
    expect(await ofClients(known('0.0', FENCE), null).isGood(token())).toBe(true);
  });

  it('is asked for in PostgreSQL where that does not hold, or says no', async () => {
    expect(await ofClients(known('0.0', FENCE), null, false).isGood(token())).toBe(false);
    expect(await ofClients(null, known('0.0')).isGood(token())).toBe(true);
    expect(await ofClients(known('0.1'), known('0.0')).isGood(token())).toBe(true);
    expect(await ofClients(known('0.0', FENCE), known('0.1'), false).isGood(token())).toBe(false);
    const stale = { ...known('0.1'), isStale: true };
    await expect(ofClients(null, stale).isGood(token())).rejects.toThrow(AuthUnavailableError);
    const revoked = { tokens: { epoch: '0.0', revoked: [claims.jti] }, fence: null };
    expect(await ofClients(revoked, revoked).isGood(token())).toBe(false);
  });
});
