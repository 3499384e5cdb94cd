import { type ApiOperation, apiOperations } from '../support/api-operations.js';
import { startApp, type TestApp } from '../support/app.js';
import {
  type Belongings,
  buildBelongings,
  buildRoleOfAll,
  type Holding,
  type Ids,
  idsOfNothing,
} from '../support/belongings.js';
import { storedRows } from '../support/stored-rows.js';

/** What the routes that change something are sent; each would do as it says if it were let. */
const BODIES: Readonly<Record<string, (ids: Ids) => object>> = {
  'PATCH /api/v1/clients/{client_id}': () => ({ name: 'taken' }),
  'POST /api/v1/clients/{client_id}/secrets': () => ({ expire_previous_in_seconds: 0 }),
  'POST /api/v1/clients/{client_id}/owner': ({ user_id }) => ({ user_id }),
  'PATCH /api/v1/api-keys/{client_id}': () => ({ name: 'taken' }),
  'POST /api/v1/api-keys/{client_id}/secrets': () => ({ expire_previous_in_seconds: 0 }),
  'PATCH /api/v1/roles/{role_id}': () => ({ description: 'taken' }),
  'PATCH /api/v1/permissions/{permission}': () => ({ description: 'taken' }),
  'POST /api/v1/users/{user_id}/grants': ({ role_id }) => ({ role_id }),
  'PATCH /api/v1/users/{user_id}/grants/{grant_id}': () => ({ reason: 'taken' }),
  'PATCH /api/v1/users/{user_id}': () => ({ name: 'Taken' }),
  'PATCH /api/v1/ip-rules/{id}': () => ({ reason: 'taken' }),
  'PUT /api/v1/rate-limits/overrides/clients/{client_id}/{class}': () => ({ windows: [] }),
  'PUT /api/v1/rate-limits/overrides/users/{user_id}/{class}': () => ({ windows: [] }),
};

/** Parameters that are no ids: there is one list of each for everybody. */
const NAMES: Ids = { class: 'general', tier: 'free', path: 'core-nest' };
/** What nobody holds for one object: these routes are about names. */
const BY_NAME = /\{permission\}/;
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const HOLDINGS: readonly Holding[] = ['as a developer', 'for each of their own objects', 'for whatever they own'];

/** Routes with an id, from the one list that a test holds to what there is (test/e2e/openapi.spec.ts). */
let operations: ApiOperation[];
let core: TestApp;
const callers = new Map<Holding, Belongings>();
let other: Belongings;

beforeAll(async () => {
  core = await startApp();
  await buildRoleOfAll(core);
  for (const holding of HOLDINGS) callers.set(holding, await buildBelongings(core, holding));
  other = await buildBelongings(core, 'as a developer');
  operations = (await apiOperations(core.url)).filter(({ params }) => params.some((name) => NAMES[name] === undefined));
}, 60_000);
afterAll(() => core?.stop());

const nameOf = ({ method, path }: ApiOperation) => `${method} ${path}`;

/** @throws Error for a parameter that this test does not know. */
function fill(path: string, ids: Ids): string {
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const known =
      name !== 'id' ? name : path.includes('/secrets/') ? 'secret' : path.includes('/ip-rules/') ? 'ip_rule' : '';
    const value = ids[known] ?? NAMES[known];
    if (value === undefined) throw new Error(`What stands for {${name}} in ${path}?`);
    return value;
  });
}

/** Ids of which some are those of `theirs`, and the others one's own: every way to mix them, but for all one's own. */
function mixes({ params }: Pick<ApiOperation, 'params'>, own: Ids, theirs: Ids, path: string): string[] {
  const names = params.filter((name) => NAMES[name] === undefined);
  const found = new Set<string>();
  for (let mix = 1; mix < 2 ** names.length; mix++) {
    const taken: Record<string, string> = {};
    for (const [index, name] of names.entries()) {
      const from = mix & (1 << index) ? theirs : own;
      for (const each of name === 'id' ? ['secret', 'ip_rule'] : [name]) taken[each] = from[each] ?? '';
    }
    found.add(fill(path, taken));
  }
  return [...found];
}

async function answerTo(method: string, path: string, headers: Record<string, string>, body?: object) {
  const response = await fetch(`${core.url}${path}`, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text: text.replace(/"(?:request_id|instance)":"[^"]*",?/g, '') };
}

describe.each(HOLDINGS)('to one who holds permissions %s', (holding) => {
  const caller = () => callers.get(holding) as Belongings;

  it.each(['token', 'cookie', 'key'] as const)(
    'what is of another is as what is not there, by %s',
    async (kind) => {
      const headers = caller().credentials[kind];
      const before = await storedRows(core.database);
      const statuses: Record<string, number> = {};
      for (const operation of operations) {
        const { method, path } = operation;
        const body = BODIES[nameOf(operation)]?.(caller().ids);
        const foreign = mixes(operation, caller().ids, other.ids, path);
        const unknown = mixes(operation, caller().ids, idsOfNothing(), path);
        for (const [index, each] of foreign.entries()) {
          const [there, not] = [
            await answerTo(method, each, headers, body),
            await answerTo(method, unknown[index] ?? '', headers, body),
          ];
          expect([nameOf(operation), each, there]).toEqual([nameOf(operation), each, not]);
          statuses[nameOf(operation)] = there.status;
        }
      }
      expect(await storedRows(core.database)).toEqual(before);
      const expected = operations.map((operation) => [nameOf(operation), expectedOf(holding, operation)]);
      expect(statuses).toEqual(Object.fromEntries(expected));
    },
    60_000,
  );
});

/** Whoever may not use a route for anything is told so, whatever the id; everybody else that there is nothing. */
function expectedOf(holding: Holding, operation: ApiOperation): number {
  const { path } = operation;
  if (/^\/api\/v1\/(?:api-keys|sessions)\//.test(path)) return 404;
  return holding === 'as a developer' || BY_NAME.test(path) ? 403 : 404;
}

describe('a verb that a path does not have', () => {
  it('is answered alike for what is of another and what is not there', async () => {
    const before = await storedRows(core.database);
    const templates = new Map(operations.map((operation) => [operation.path, operation]));
    for (const [path, operation] of templates)
      for (const method of VERBS.filter(
        (verb) => !operations.some((each) => each.path === path && each.method === verb),
      ))
        for (const [holding, { ids, credentials }] of callers) {
          const [there] = mixes(operation, ids, other.ids, path);
          const [not] = mixes(operation, ids, idsOfNothing(), path);
          const answers = [
            await answerTo(method, there ?? '', credentials.token),
            await answerTo(method, not ?? '', credentials.token),
          ];
          expect([method, path, holding, answers[0]]).toEqual([method, path, holding, answers[1]]);
          expect(answers[0]?.status).toBeGreaterThanOrEqual(method === 'OPTIONS' ? 200 : 400);
        }
    expect(await storedRows(core.database)).toEqual(before);
  }, 60_000);
});

describe('the same requests about what is one’s own', () => {
  it('do what they say, so that the refusals above are for whose it is', async () => {
    const refused: unknown[] = [];
    const read = await buildBelongings(core, 'for each of their own objects');
    for (const operation of operations.filter(({ path }) => !BY_NAME.test(path))) {
      const { method, path } = operation;
      const own = method === 'GET' ? read : await buildBelongings(core, 'for each of their own objects');
      const name = nameOf(operation);
      const body = BODIES[name]?.(own.ids);
      const { status, text } = await answerTo(method, fill(path, own.ids), own.credentials.token, body);
      if (status >= 300 && !(name.endsWith('/invitation') && status === 409)) refused.push([name, status, text]);
    }
    expect(refused).toEqual([]);
  }, 120_000);
});

describe('the list of routes', () => {
  it('leaves out none that takes a body', () => {
    const missing = operations.filter((each) => each.bodyFields !== null && !BODIES[nameOf(each)]).map(nameOf);
    expect(missing).toEqual([]);
    expect(operations.length).toBeGreaterThan(40);
  });
});
