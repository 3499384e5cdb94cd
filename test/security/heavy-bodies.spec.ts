import { type ApiOperation, apiOperations } from '../support/api-operations.js';
import { type PeopleApp, startPeopleApp } from '../support/people-app.js';

/** What goes on to a provider has limits of its own. */
const PASSED_ON = /^\/v1(?:beta)?\/|^\/api\/v1\/query$/;
const LONGEST_MS = 100;
const TIMES = 5;
const MEGABYTE = 'x'.repeat(1_048_576);
const FORM = 'application/x-www-form-urlencoded';

/** Short to send, long to read for whoever is careless. Each fits into what the sign-in reads. */
const BOMBS: Readonly<Record<string, string>> = {
  'lists in lists': '['.repeat(8_000),
  'lists in lists, closed': `${'['.repeat(4_000)}${']'.repeat(4_000)}`,
  'objects in objects': `${'{"a":'.repeat(1_300)}1${'}'.repeat(1_300)}`,
  'a password of lists in lists': `{"email":"a@b.c","password":${'['.repeat(3_900)}${']'.repeat(3_900)}}`,
  'many fields': `{${Array.from({ length: 900 }, (_, index) => `"${index}":1`).join()}}`,
  'one field many times': `{${'"a":1,'.repeat(1_000)}"a":1}`,
  'one field many times, escaped in turns': `{${'"a":1,"\\u0061":1,'.repeat(400)}"a":1}`,
  'a number of 8,000 digits': `{"email":"a@b.c","password":${'9'.repeat(8_000)}}`,
  'a number beyond all': '{"email":"a@b.c","password":1e99999999}',
  backslashes: `{"email":"a@b.c","password":"${'\\\\'.repeat(4_000)}`,
  quotes: `{"email":"${'\\"'.repeat(4_000)}"`,
  blanks: `{${' '.repeat(8_000)}`,
  'a text never ended': `"${'a'.repeat(8_000)}`,
  'an address that a pattern might stumble over': JSON.stringify({ email: `${'a.'.repeat(3_000)}@`, password: 'x' }),
  'a password in the longest spelling': `{"email":"a@b.c","password":"${'\\ufdfa'.repeat(1_300)}"}`,
  'a password that grows when it is normalised': JSON.stringify({ email: 'a@b.c', password: '\ufdfa'.repeat(1_024) }),
};

let people: PeopleApp;
let bearer: string;
let operations: ApiOperation[];

beforeAll(async () => {
  people = await startPeopleApp();
  bearer = (await people.signedIn({ roles: ['owner'] })).token;
  operations = (await apiOperations(people.core.url)).filter(
    ({ path, bodyFields }) => bodyFields && !PASSED_ON.test(path),
  );
});
afterAll(() => people?.stop());

/** The status, and the shortest of a few times it took: the machine may have been busy, the code may not. */
async function timed(method: string, path: string, body: string, type = 'application/json') {
  const statuses = new Set<number>();
  let shortest = Number.POSITIVE_INFINITY;
  for (let time = 0; time < TIMES; time++) {
    const started = performance.now();
    const headers = { 'content-type': type, authorization: `Bearer ${bearer}` };
    const response = await fetch(`${people.core.url}${path}`, { method, headers, body });
    await response.arrayBuffer();
    shortest = Math.min(shortest, performance.now() - started);
    statuses.add(response.status);
  }
  return { statuses: [...statuses], isQuick: shortest < LONGEST_MS };
}

const pathOf = ({ path }: ApiOperation) =>
  path
    .replace('{user_id}', `usr_${'0'.repeat(20)}`)
    .replace('{client_id}', 'cn_live_000000000000')
    .replace(/\{\w+\}/g, 'general');

it('a megabyte in any field of any body is refused in less than 100 ms', async () => {
  const slow: unknown[] = [];
  expect(operations.length).toBeGreaterThan(30);
  for (const operation of operations) {
    const { method, path, bodyFields } = operation;
    const body = JSON.stringify(Object.fromEntries([...(bodyFields ?? [])].map((name) => [name, MEGABYTE])));
    const { statuses, isQuick } = await timed(method, pathOf(operation), body);
    if (!isQuick || statuses.some((status) => status !== 413)) slow.push([method, path, statuses, isQuick]);
  }
  expect(slow).toEqual([]);
}, 120_000);

it.each(['/oauth/token', '/api/v1/auth/revoke', '/api/v1/auth/introspect'])(
  'a form of a megabyte is refused as quickly: %s',
  async (path) => {
    for (const form of [`token=${MEGABYTE}`, 'a&'.repeat(500_000), '%41'.repeat(300_000)]) {
      const { statuses, isQuick } = await timed('POST', path, form, FORM);
      expect([statuses.every((status) => status === 413), isQuick]).toEqual([true, true]);
    }
    for (const form of ['a=1&'.repeat(4_000), '&'.repeat(16_000), '%'.repeat(16_000), `token=${'%00'.repeat(5_000)}`]) {
      const { statuses, isQuick } = await timed('POST', path, form, FORM);
      expect([statuses.every((status) => status >= 400 && status < 500), isQuick]).toEqual([true, true]);
    }
  },
);

it.each(Object.entries(BOMBS))('%s: the doors for people refuse it in less than 100 ms', async (_what, bomb) => {
  for (const door of ['login', 'refresh', 'accept-invite', 'reset-password', 'verify-email', 'forgot-password']) {
    const { statuses, isQuick } = await timed('POST', `/api/v1/auth/${door}`, bomb);
    expect([door, statuses.filter((status) => ![400, 401, 413, 429].includes(status)), isQuick]).toEqual([
      door,
      [],
      true,
    ]);
  }
});
