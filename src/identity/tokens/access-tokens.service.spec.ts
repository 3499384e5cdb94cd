import {
  buildMint,
  compact,
  type Mint,
  partsOf,
  SESSION_ID,
  signedBy,
  storedKey,
  USER_ID,
} from '../../../test/support/token-mint.js';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { generatePrivateKey, OUTLIVES_MS } from './signing-key.js';

const CONTENT = {
  sub: USER_ID,
  clientId: 'core-nest',
  epoch: '3.4',
  sessionId: SESSION_ID,
  authTime: Date.UTC(2025, 11, 31),
  amr: ['pwd'],
} as const;

let mint: Mint;

beforeEach(async () => {
  mint = await buildMint();
});

function signed(overrides: object = {}): string {
  return mint.tokens.sign({ ...CONTENT, expiresAt: mint.clock.now() + 600_000, ...overrides }).token.reveal();
}

describe('a token that was signed here', () => {
  it('says what RFC 9068 asks for', () => {
    const { token, jti, expiresIn } = mint.tokens.sign({ ...CONTENT, expiresAt: mint.clock.now() + 600_999 });
    const { header, payload } = partsOf(token.reveal());
    const iat = mint.clock.now() / 1000;
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: mint.kid });
    expect(payload).toEqual({
      iss: 'https://gateway.test',
      aud: 'core-nest',
      sub: USER_ID,
      client_id: 'core-nest',
      jti,
      iat,
      exp: iat + 600,
      cn_epoch: '3.4',
      sid: SESSION_ID,
      auth_time: Date.UTC(2025, 11, 31) / 1000,
      amr: ['pwd'],
    });
    expect(expiresIn).toBe(600);
    expect(String(token)).toBe('[redacted]');
  });

  it('is read back, as a user and as a client', () => {
    const now = mint.clock.now();
    expect(mint.tokens.read(signed({ scopes: ['clients:read', 'logs:read'] }))).toMatchObject({
      sub: USER_ID,
      subjectKind: 'user',
      clientId: 'core-nest',
      sessionId: SESSION_ID,
      epoch: '3.4',
      issuedAt: now,
      expiresAt: now + 600_000,
      authTime: Date.UTC(2025, 11, 31),
      amr: ['pwd'],
      scopes: ['clients:read', 'logs:read'],
    });
    const clientId = 'cn_live_0123456789AB';
    const { token } = mint.tokens.sign({ sub: clientId, clientId, epoch: '0.0', expiresAt: now + 1000, scopes: [] });
    expect(mint.tokens.read(token.reveal())).toMatchObject({
      sub: clientId,
      subjectKind: 'client',
      sessionId: null,
      authTime: null,
      amr: [],
      scopes: [],
    });
  });

  it('has a jti of its own each time', () => {
    expect(partsOf(signed()).payload.jti).not.toBe(partsOf(signed()).payload.jti);
  });
});

describe('reading', () => {
  it('verifies a token once and gives the same claims again', () => {
    const token = signed();
    const claims = mint.tokens.read(token);
    expect(mint.tokens.read(token)).toBe(claims);
    expect(mint.tokens.stats).toEqual({ remembered: 1, verified: 1, refused: 0 });
    expect(Object.isFrozen(claims)).toBe(true);
  });

  it('remembers nothing past its end', () => {
    const token = signed();
    mint.tokens.read(token);
    mint.clock.advanceSeconds(599);
    expect(mint.tokens.read(token)).toBeDefined();
    mint.clock.advanceSeconds(1);
    expect(() => mint.tokens.read(token)).toThrow(InvalidTokenError);
    expect(() => mint.tokens.read(token)).toThrow(InvalidTokenError);
  });

  it('remembers nothing of a key that was removed', async () => {
    const token = signed();
    mint.tokens.read(token);
    mint.rows.splice(0, 1, storedKey(mint.seal, generatePrivateKey()));
    await mint.keys.load();
    expect(() => mint.tokens.read(token)).toThrow(InvalidTokenError);
  });

  it('takes the token of a retired key until that verifies no more', async () => {
    const [row] = mint.rows;
    if (row === undefined) throw new Error('There is a key.');
    const retiresAt = new Date(mint.clock.now());
    mint.rows.splice(0, 1, { ...row, retiresAt }, storedKey(mint.seal, generatePrivateKey(), { notBefore: retiresAt }));
    await mint.keys.load();
    const old = (ageSeconds: number) => {
      const iat = Math.floor(mint.clock.now() / 1000) - ageSeconds;
      return mint.withClaims({ iat, exp: iat + 3600, auth_time: iat });
    };
    expect(partsOf(signed()).header.kid).not.toBe(mint.kid);
    expect(mint.tokens.read(old(0)).sub).toBe(USER_ID);
    mint.clock.advance(OUTLIVES_MS - 1);
    const last = old(10);
    expect(mint.tokens.read(last).sub).toBe(USER_ID);
    mint.clock.advance(1);
    expect(() => mint.tokens.read(last)).toThrow(InvalidTokenError);
    expect(() => mint.tokens.read(old(0))).toThrow(InvalidTokenError);
  });

  it('is 503 for a key that a replica cut off from PostgreSQL cannot know, and 401 once it would', () => {
    const token = compact({ ...mint.header, kid: 'unknown' }, mint.payload, signedBy(generatePrivateKey()));
    expect(() => mint.tokens.read(token)).toThrow(InvalidTokenError);
    mint.replica.hasLease = false;
    expect(() => mint.tokens.read(token)).toThrow(AuthUnavailableError);
  });

  it('is 503 without any key, and nothing is signed', async () => {
    const token = signed();
    mint.rows.splice(0);
    await mint.keys.load();
    expect(() => mint.tokens.read(token)).toThrow(AuthUnavailableError);
    expect(() => signed()).toThrow(AuthUnavailableError);
  });

  it('does not remember what it refused', () => {
    const token = mint.withClaims({ iat: mint.clock.now() / 1000 + 60, exp: mint.clock.now() / 1000 + 600 });
    expect(() => mint.tokens.read(token)).toThrow(InvalidTokenError);
    mint.clock.advanceSeconds(60);
    expect(mint.tokens.read(token).sub).toBe(USER_ID);
  });
});
