import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROLE_TEMPLATES } from '../../src/identity/access/roles/role-templates.js';
import { startApp, type TestApp } from '../support/app.js';
import { accessTokenOf, buildSession, buildUser, type Person } from '../support/people.js';

interface Row {
  readonly route: string;
  readonly needs: string;
  readonly cells: readonly boolean[];
}

/** The published table: what is tested is what is promised. */
const [head = '', ...lines] = readFileSync(join(import.meta.dirname, '../../docs/access-matrix.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| (?:route|`[A-Z]+ \/)/.test(line));
const ROLES = cellsOf(head).slice(2);
const ROWS: Row[] = lines.map((line) => {
  const [route = '', needs = '', ...cells] = cellsOf(line);
  return { route: route.replaceAll('`', ''), needs, cells: cells.map((cell) => cell === 'yes') };
});

/** It takes a client's credentials, and no other identity, whatever that holds. */
const FOR_CLIENTS = 'POST /oauth/token';

let core: TestApp;
let people: Person[];

beforeAll(async () => {
  core = await startApp();
  people = await Promise.all(ROLES.map((role) => buildUser(core.database, { roles: [role] })));
});
afterAll(() => core.stop());

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** A session for one request: some of them end it. */
async function tokenOf(person: Person): Promise<string> {
  return accessTokenOf(core, await buildSession(core.database, person.id));
}

/** About objects that are not there, and without a body: who may is answered 400 or 404. */
function pathOf(template: string): string {
  return template
    .replace(':client_id', 'cn_live_000000000000')
    .replace(':user_id', `usr_${'0'.repeat(20)}`)
    .replace('v1beta/models/*', 'v1beta/models/nothing:generateContent')
    .replace(/:\w+/g, 'nothing')
    .replace('*', 'nothing');
}

describe('the roles everybody starts with', () => {
  it('are in PostgreSQL what the code says', async () => {
    const rows = await core.database.query(
      `SELECT id, name, ARRAY(SELECT permission FROM role_permissions WHERE role_id = roles.id ORDER BY permission) AS permissions,
         ARRAY(SELECT parent.name FROM role_parents JOIN roles AS parent ON parent.id = parent_id
               WHERE role_id = roles.id ORDER BY parent.name) AS parents
       FROM roles WHERE builtin ORDER BY name`,
    );
    expect(rows).toEqual(ROLE_TEMPLATES.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
    expect(ROLES).toEqual(ROLE_TEMPLATES.map(({ name }) => name));
  });
});

describe('the published matrix', () => {
  it('has every route and every role', () => {
    expect(ROWS.length).toBeGreaterThan(90);
    for (const { cells } of ROWS) expect(cells).toHaveLength(ROLES.length);
    expect(ROWS.map(({ needs }) => needs)).not.toContain('**open to nobody**');
  });

  it.each(ROWS.map((row) => [row.route, row] as const))('%s', async (route, { needs, cells }) => {
    const [method = '', template = ''] = route.split(' ');
    const found = await Promise.all(
      people.map(async (person) => {
        const headers = { authorization: `Bearer ${await tokenOf(person)}` };
        const response = await fetch(`${core.url}${pathOf(template)}`, { method, headers });
        return { status: response.status, text: await response.text() };
      }),
    );
    for (const [index, { status, text }] of found.entries()) {
      const role = ROLES[index];
      if (needs === '*nothing*') expect(text).not.toContain('missing_credentials');
      else if (route === FOR_CLIENTS) expect(status).toBeGreaterThanOrEqual(400);
      else if (cells[index]) expect([role, [401, 403].includes(status), status]).toEqual([role, false, status]);
      else {
        expect([role, status]).toEqual([role, 403]);
        expect(text).toContain(`\\"${needs.split(' ')[0]}\\"`);
      }
    }
  });

  it.each(ROWS.filter(({ needs }) => needs !== '*nothing*').map(({ route }) => route))(
    '%s is 401 to nobody',
    async (route) => {
      const [method = '', template = ''] = route.split(' ');
      expect((await fetch(`${core.url}${pathOf(template)}`, { method })).status).toBe(401);
    },
  );
});
