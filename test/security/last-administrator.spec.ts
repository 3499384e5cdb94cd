import { startApp, type TestApp } from '../support/app.js';
import { httpCall } from '../support/http-call.js';
import { buildGrant, buildUser, type Person } from '../support/people.js';

const ROUNDS = 25;

let first: TestApp;
let second: TestApp;
let key: string;

beforeAll(async () => {
  first = await startApp();
  second = await first.replica();
  key = (await first.createClient({ scopes: ['admin'] })).apiKey;
});
afterAll(async () => {
  await second?.stop();
  await first?.stop();
});
beforeEach(() => first.database.query('DELETE FROM users'));

const call = (core: TestApp, method: string, path: string, body?: unknown) =>
  httpCall(core.url, method, path, { body, bearer: key });
const at = ({ id }: Person) => `/api/v1/users/${id}`;

/** An administrator, and the path of the grant that makes them one. */
async function buildOwner() {
  const person = await buildUser(first.database);
  const grantId = await buildGrant(first.database, person.id, { role: 'owner' });
  return { person, grant: `${at(person)}/grants/${grantId}` };
}
type Owner = Awaited<ReturnType<typeof buildOwner>>;

const WAYS: Readonly<Record<string, (core: TestApp, owner: Owner) => ReturnType<typeof call>>> = {
  suspended: (core, { person }) => call(core, 'PATCH', at(person), { status: 'suspended' }),
  removed: (core, { person }) => call(core, 'DELETE', at(person)),
  demoted: (core, { grant }) => call(core, 'DELETE', grant),
  'limited in time': (core, { grant }) => call(core, 'PATCH', grant, { expires_at: '2099-01-01T00:00:00Z' }),
};

async function administrators(): Promise<number> {
  const [row] = await first.database.query<{ count: number }>(
    `SELECT count(*)::int FROM users JOIN grants ON grants.user_id = users.id JOIN roles ON roles.id = grants.role_id
     WHERE users.status = 'active' AND roles.name = 'owner' AND grants.expires_at IS NULL`,
  );
  return row?.count ?? 0;
}

describe('the last administrator', () => {
  it.each(Object.keys(WAYS))('is not %s', async (way) => {
    const owner = await buildOwner();
    await buildUser(first.database, { roles: ['admin'] });
    const answer = await WAYS[way]?.(first, owner);
    expect([answer?.status, answer?.body.code]).toEqual([409, 'last_administrator']);
    expect(await administrators()).toBe(1);
    expect(await first.database.query(`SELECT FROM audit_logs WHERE subject_id = $1`, [owner.person.id])).toEqual([]);
  });

  it('is whoever is left when the others are suspended, or in charge for a time or under conditions only', async () => {
    const owner = await buildOwner();
    await buildUser(first.database, { roles: ['owner'], status: 'suspended' });
    const forNow = await buildUser(first.database);
    await buildGrant(first.database, forNow.id, { role: 'owner', expiresAt: new Date('2099-01-01') });
    const fromHome = await buildUser(first.database);
    await buildGrant(first.database, fromHome.id, { role: 'owner', conditions: { cidr: ['10.0.0.0/8'] } });
    expect((await WAYS.suspended?.(first, owner))?.status).toBe(409);
    await buildOwner();
    expect((await WAYS.suspended?.(first, owner))?.status).toBe(200);
  });

  it('is none where there was none: others can be suspended', async () => {
    const person = await buildUser(first.database);
    expect((await call(first, 'PATCH', at(person), { status: 'suspended' })).status).toBe(200);
  });

  it('remains when both of two are taken away at once, on two replicas, in all ways', async () => {
    const ways = Object.values(WAYS);
    for (let round = 0; round < ROUNDS; round++) {
      const owners = [await buildOwner(), await buildOwner()] as const;
      const [one, other] = [ways[round % ways.length], ways[Math.floor(round / ways.length) % ways.length]];
      const answers = await Promise.all([one?.(first, owners[0]), other?.(second, owners[1])]);
      const statuses = answers.map((answer) => answer?.status ?? 0);
      expect(statuses.filter((status) => status < 300)).toHaveLength(1);
      expect(answers.find((answer) => (answer?.status ?? 0) >= 300)?.body.code).toBe('last_administrator');
      expect(await administrators()).toBe(1);
      await first.database.query('DELETE FROM users');
    }
  });

  it('remains when ten are taken away at once', async () => {
    const owners = await Promise.all(Array.from({ length: 10 }, () => buildOwner()));
    const ways = Object.values(WAYS);
    const answers = await Promise.all(
      owners.map((owner, index) => ways[index % ways.length]?.(index % 2 ? first : second, owner)),
    );
    expect(answers.filter((answer) => (answer?.status ?? 0) < 300)).toHaveLength(9);
    expect(await administrators()).toBe(1);
  });
});
