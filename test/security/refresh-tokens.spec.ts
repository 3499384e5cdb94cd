import { RefreshTokenCodec } from '../../src/identity/tokens/refresh-token-codec.js';
import { type Fleet, startFleet } from '../support/fleet.js';
import { type Answer, refresh, signIn, statusWith, type WireTokens } from '../support/own-tokens.js';
import { buildUser, type Person } from '../support/people.js';

const USES = 200;
const PHONE = { 'user-agent': 'phone/1' };
const THIEF = { 'user-agent': 'thief/1' };

let fleet: Fleet;
let person: Person;
let tokens: WireTokens;

beforeAll(async () => {
  fleet = await startFleet();
});

afterAll(() => fleet.stop());

beforeEach(async () => {
  person = await buildUser(fleet.database);
  tokens = await signIn(fleet.members[0], person);
});

function member(index: number) {
  return fleet.members[index % fleet.members.length] as Fleet['members'][number];
}

const REFUSED = {
  status: 401,
  code: 'invalid_token',
  detail: 'The token is not valid, has expired or was revoked. Get a new one: refresh it, or sign in again.',
};

function refusalOf({ status, body }: Answer<WireTokens>) {
  const { code, detail } = body as unknown as Record<string, unknown>;
  return { status, code, detail };
}

/** Makes every use so far lie `seconds` in the past. */
function letPass(seconds: number) {
  return fleet.database.query(
    `UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1) WHERE used_at IS NOT NULL`,
    [seconds],
  );
}

async function alarms(): Promise<number> {
  const [row] = await fleet.database.query<{ count: string }>(
    `SELECT count(*) FROM audit_logs WHERE action = 'token.reuse_detected' AND subject_id = $1 AND outcome = 'refused'`,
    [person.id],
  );
  return Number(row?.count);
}

async function endOf(sessionId: string): Promise<string | null | undefined> {
  const [row] = await fleet.database.query<{ end_reason: string | null }>(
    'SELECT end_reason FROM sessions WHERE id = $1',
    [sessionId],
  );
  return row?.end_reason;
}

/** Tokens of the family that were never used. */
async function unused(): Promise<number> {
  const [row] = await fleet.database.query<{ count: string }>(
    `SELECT count(*) FROM refresh_tokens JOIN refresh_families AS family ON family.id = family_id
     WHERE family.session_id = $1 AND used_at IS NULL`,
    [tokens.session_id],
  );
  return Number(row?.count);
}

/** The family ended with its session, once, on every replica, and told of it. */
async function expectEnded(...accessTokens: string[]) {
  expect(await alarms()).toBe(1);
  expect(await endOf(tokens.session_id)).toBe('token_reuse');
  for (const token of [tokens.access_token, ...accessTokens])
    for (const { url } of fleet.members) expect(await statusWith({ url }, token)).toBe(401);
}

describe('a refresh token', () => {
  it('gives a new access token and its successor, in the same session', async () => {
    const { status, headers, body } = await refresh(member(1), tokens.refresh_token);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      access_token: expect.stringMatching(/^eyJ/),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.stringMatching(/^cnr_[0-9A-Za-z]{49}$/),
      refresh_expires_in: 1_209_600,
      session_id: tokens.session_id,
    });
    expect(body.refresh_token).not.toBe(tokens.refresh_token);
    expect(await statusWith(member(2), body.access_token)).toBe(200);
    expect((await refresh(member(0), body.refresh_token)).status).toBe(200);
  });

  it('lies nowhere in clear, nor does what it is exchanged for', async () => {
    const { body } = await refresh(member(0), tokens.refresh_token);
    const rows = await fleet.database.query('SELECT * FROM refresh_tokens, refresh_families, audit_logs');
    const text = JSON.stringify(rows);
    for (const token of [tokens.refresh_token, body.refresh_token, body.access_token])
      expect(text).not.toContain(token.slice(4, 40));
  });

  it(`used ${USES} times at once on three replicas has one successor, and rings no bell`, async () => {
    const answers = await Promise.all(
      Array.from({ length: USES }, (_, index) => refresh(member(index), tokens.refresh_token, PHONE)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(await unused()).toBe(1);
    expect(await alarms()).toBe(0);
    expect(await endOf(tokens.session_id)).toBeNull();
    const [row] = await fleet.database.query<{ count: string }>(
      `SELECT count(*) FROM audit_logs WHERE action = 'token.refresh' AND subject_id = $1`,
      [person.id],
    );
    expect(row?.count).toBe('1');
    expect((await refresh(member(0), answers[0]?.body.refresh_token ?? '', PHONE)).status).toBe(200);
  });

  it('sent again within ten seconds by the same holder gives the same successor, used or not', async () => {
    const first = await refresh(member(0), tokens.refresh_token, PHONE);
    const again = await refresh(member(1), tokens.refresh_token, PHONE);
    expect(again.body.refresh_token).toBe(first.body.refresh_token);
    expect(again.body.access_token).not.toBe(first.body.access_token);
    const second = await refresh(member(2), first.body.refresh_token, PHONE);
    await letPass(9);
    expect((await refresh(member(0), tokens.refresh_token, PHONE)).body.refresh_token).toBe(first.body.refresh_token);
    expect((await refresh(member(1), second.body.refresh_token, PHONE)).status).toBe(200);
    expect(await alarms()).toBe(0);
  });

  it('used a second time later ends the family and the session, for both who hold it', async () => {
    const first = await refresh(member(0), tokens.refresh_token, PHONE);
    await letPass(11);
    expect(refusalOf(await refresh(member(1), tokens.refresh_token, PHONE))).toEqual(REFUSED);
    await expectEnded(first.body.access_token);
    expect(refusalOf(await refresh(member(2), first.body.refresh_token, PHONE))).toEqual(REFUSED);
    expect(refusalOf(await refresh(member(0), tokens.refresh_token, PHONE))).toEqual(REFUSED);
    expect(await alarms()).toBe(1);
  });

  it('used by another holder ends the family at once', async () => {
    const first = await refresh(member(0), tokens.refresh_token, PHONE);
    expect(refusalOf(await refresh(member(1), tokens.refresh_token, THIEF))).toEqual(REFUSED);
    await expectEnded(first.body.access_token);
  });

  it(`used ${USES} times at once by a thief rings the bell once`, async () => {
    await refresh(member(0), tokens.refresh_token, PHONE);
    await letPass(60);
    const answers = await Promise.all(
      Array.from({ length: USES }, (_, index) => refresh(member(index), tokens.refresh_token, THIEF)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    await expectEnded();
  });

  it('raced by its owner and a thief is exchanged for one of them, and then for nobody', async () => {
    const race = await Promise.all([
      refresh(member(0), tokens.refresh_token, PHONE),
      refresh(member(1), tokens.refresh_token, THIEF),
    ]);
    expect(race.map(({ status }) => status).sort()).toEqual([200, 401]);
    await expectEnded();
    for (const { status, body } of race)
      if (status === 200) expect((await refresh(member(2), body.refresh_token)).status).toBe(401);
  });

  it('of one family leaves the other sign-ins of the user alone', async () => {
    const other = await signIn(member(1), person);
    await refresh(member(0), tokens.refresh_token, PHONE);
    await refresh(member(0), tokens.refresh_token, THIEF);
    await expectEnded();
    expect(await statusWith(member(0), other.access_token)).toBe(200);
    expect((await refresh(member(0), other.refresh_token)).status).toBe(200);
  });
});

describe('what has ended is refused alike, and rings no bell', () => {
  const byAdmin = (method: string, path: string, body?: object) =>
    fetch(`${member(0).url}/api/v1${path}`, {
      method,
      headers: { 'x-api-key': fleet.admin.apiKey, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const sql = (text: string, id: () => string) => () => fleet.database.query(text, [id()]);
  const sessionId = () => tokens.session_id;

  it.each<[string, () => Promise<unknown>]>([
    ['the session ended', () => byAdmin('DELETE', `/users/${person.id}/sessions/${sessionId()}`)],
    ['all sessions ended', () => byAdmin('DELETE', `/users/${person.id}/sessions`)],
    ['the user suspended', () => byAdmin('PATCH', `/users/${person.id}`, { status: 'suspended' })],
    ['the user deleted', () => byAdmin('DELETE', `/users/${person.id}`)],
    ['the user suspended by SQL', sql(`UPDATE users SET status = 'suspended' WHERE id = $1`, () => person.id)],
    ['all tokens of the user revoked', () => byAdmin('POST', `/users/${person.id}/tokens/revoke-all`)],
    [
      'the token past its idle time',
      sql(
        `UPDATE refresh_tokens SET expires_at = now() - interval '1 second' WHERE family_id IN
         (SELECT id FROM refresh_families WHERE session_id = $1)`,
        sessionId,
      ),
    ],
    [
      'the family past its end',
      sql(`UPDATE refresh_families SET expires_at = now() - interval '1 second' WHERE session_id = $1`, sessionId),
    ],
    [
      'the session past its end',
      sql(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`, sessionId),
    ],
    [
      'the session past its idle time',
      sql(`UPDATE sessions SET last_seen_at = now() - interval '400 days' WHERE id = $1`, sessionId),
    ],
    ['the family gone', sql('DELETE FROM refresh_families WHERE session_id = $1', sessionId)],
  ])('%s', async (_name, end) => {
    await end();
    expect(refusalOf(await refresh(member(1), tokens.refresh_token))).toEqual(REFUSED);
    expect(await alarms()).toBe(0);
  });

  it('a token that was never given out, one that is none, and an access token', async () => {
    const never = fleet.members[0].app.get(RefreshTokenCodec, { strict: false }).random().reveal();
    for (const token of [never, 'cnr_', `${tokens.refresh_token}0`, tokens.access_token, "' OR 1=1 --"])
      expect(refusalOf(await refresh(member(0), token))).toEqual(REFUSED);
  });
});

describe('limits', () => {
  it('idle time is never longer than the family lives', async () => {
    await fleet.database.query(
      `UPDATE refresh_families SET expires_at = now() + interval '100 seconds' WHERE session_id = $1`,
      [tokens.session_id],
    );
    const { body } = await refresh(member(0), tokens.refresh_token);
    expect(body.refresh_expires_in).toBeGreaterThan(90);
    expect(body.refresh_expires_in).toBeLessThanOrEqual(100);
  });

  it('an access token is never longer than the session', async () => {
    await fleet.database.query(`UPDATE sessions SET expires_at = now() + interval '30 seconds' WHERE id = $1`, [
      tokens.session_id,
    ]);
    const { body } = await refresh(member(0), tokens.refresh_token);
    expect(body.expires_in).toBeLessThanOrEqual(30);
  });
});

describe('while something is away', () => {
  afterEach(() => Promise.all(fleet.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.heal(), toRedis.heal()])));

  it('nothing is exchanged without PostgreSQL, and the same token works when it is back', async () => {
    await fleet.members[1].toPostgres.refuse();
    const { status, body } = await refresh(member(1), tokens.refresh_token);
    expect({ status, code: (body as unknown as Record<string, unknown>).code }).toEqual({
      status: 503,
      code: 'service_unavailable',
    });
    expect((await refresh(member(0), tokens.refresh_token)).status).toBe(200);
  });

  it('everything works without Redis, a second use included', async () => {
    await Promise.all(fleet.members.map(({ toRedis }) => toRedis.refuse()));
    expect((await refresh(member(0), tokens.refresh_token, PHONE)).status).toBe(200);
    expect((await refresh(member(1), tokens.refresh_token, THIEF)).status).toBe(401);
    await expectEnded();
  });
});
