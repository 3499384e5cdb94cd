// Checks that docs/access-matrix.md says what the routes ask for and the built-in roles hold; with --write, writes it.
// Runs the sources: node --import ./test/support/ts-run.mjs scripts/access-matrix.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppModule } from '../src/app.module.ts';
import { holdsIn } from '../src/identity/access/check/permission-terms.ts';
import { RoleGraph } from '../src/identity/access/roles/role-graph.ts';
import { ROLE_TEMPLATES, templateId } from '../src/identity/access/roles/role-templates.ts';
import { BYOT_MARK, PUBLIC_MARK, REQUIRE_MARK, SELF_MARK } from '../src/kernel/handler-marks.ts';
import { loadSettings } from '../src/platform/config/load-settings.ts';
import { ROOT } from './lib/install.mjs';
import { markOf, routesOf } from './lib/routes.mjs';

const TARGET = join(ROOT, 'docs/access-matrix.md');

const INTRODUCTION = `# Who may do what

Every route, what it asks for, and which of the roles everybody starts with may use it. Made from the code by
\`npm run access-matrix -- --write\`; a test asks every route as every role and compares the answers with this table.

| in the column *needs* | |
|---|---|
| a permission | a user with a role that holds it, a client with the scope, a key of a user with both |
| *self*: a permission | every user, about what is their own; a key of a user needs the scope |
| *anybody known* | every identity |
| *nothing* | no credential |

A provider token alone opens the routes marked *or a provider token*, and no others. \`<resource>:admin\` holds the
other actions of the resource, \`admin\` holds everything. Grants for one object open the routes about that object alone;
others are answered as if it did not exist. A \`deny\` wins over all of this.
`;

const graph = new RoleGraph(
  ROLE_TEMPLATES.map(({ id, name, permissions, parents }) => ({
    id,
    name,
    builtin: true,
    permissions,
    parents: parents.map(templateId),
  })),
);

const expected = render();
if (process.argv.includes('--write')) writeFileSync(TARGET, expected);
else if (readFileSync(TARGET, 'utf8') !== expected) {
  console.error('docs/access-matrix.md differs from the code: run "npm run access-matrix -- --write".');
  process.exitCode = 1;
}

function render() {
  // Nothing is started: what the settings say is not looked at.
  const settings = loadSettings({
    DATABASE_URL: 'postgres://127.0.0.1/none',
    MASTER_KEY: '-'.repeat(32),
  });
  const names = ROLE_TEMPLATES.map(({ name }) => name);
  const rows = routesOf(AppModule.for(settings)).map((route) => {
    const cells = ROLE_TEMPLATES.map(({ id }) => (isOpen(route, id) ? 'yes' : '–'));
    return `| \`${route.method} ${route.path}\` | ${needOf(route)} | ${cells.join(' | ')} |`;
  });
  const head = [`| route | needs | ${names.join(' | ')} |`, `|---|---|${names.map(() => ':-:|').join('')}`];
  return `${INTRODUCTION}\n${[...head, ...rows].join('\n')}\n`;
}

function needOf(route) {
  if (markOf(PUBLIC_MARK, route)) return '*nothing*';
  const self = markOf(SELF_MARK, route);
  if (self !== undefined) return `*self*: ${self}`;
  const requirement = markOf(REQUIRE_MARK, route);
  if (requirement === undefined) return '**open to nobody**';
  const need = requirement === 'authenticated' ? '*anybody known*' : requirement;
  return markOf(BYOT_MARK, route) ? `${need} *or a provider token*` : need;
}

function isOpen(route, roleId) {
  const requirement = markOf(REQUIRE_MARK, route);
  if (markOf(PUBLIC_MARK, route) || markOf(SELF_MARK, route) !== undefined || requirement === 'authenticated')
    return true;
  return requirement !== undefined && holdsIn(graph.permissionsOf(roleId), requirement);
}
