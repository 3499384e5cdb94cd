import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** One file for each way to break the architecture: where it is, what it imports, which rule must object. */
const VIOLATIONS = [
  ['src/kernel/word.ts', '../platform/http/edge.js', 'wing-order-kernel'],
  ['src/platform/http/reader.ts', '../../records/api-log/api-log.service.js', 'wing-order-platform'],
  ['src/records/api-log/caller.ts', '../../identity/clients/clients.service.js', 'wing-order-records'],
  ['src/identity/clients/spender.ts', '../../traffic/gateway/gateway.service.js', 'wing-order-identity'],
  ['src/traffic/gateway/starter.ts', '../../main.js', 'wings-do-not-know-the-app'],
  ['src/traffic/gateway/peeper.ts', '../../identity/clients/clients.repository.js', 'rooms-have-one-door'],
  ['src/traffic/gateway/asker.ts', '../../identity/auth/auth.service.js', 'auth-is-known-to-the-app-alone'],
  ['src/traffic/gateway/rows.service.ts', 'typeorm', 'typeorm-stays-in-repositories'],
  ['src/traffic/gateway/sql.service.ts', 'pg', 'pg-stays-in-repositories'],
  ['src/identity/clients/cache.service.ts', 'ioredis', 'ioredis-stays-in-platform-redis'],
  ['src/identity/clients/caller.service.ts', 'undici', 'providers-are-spoken-to-by-the-gateway'],
  ['src/kernel/tester.ts', '../../test/support/helper.js', 'sources-stand-alone'],
  ['src/kernel/packer.ts', 'openai', 'no-development-packages'],
] as const;

describe('the dependency rules', () => {
  let tree: string;

  beforeAll(async () => {
    tree = await mkdtemp(join(tmpdir(), 'core-nest-rules-'));
    for (const file of ['.dependency-cruiser.cjs', 'package.json', 'tsconfig.json']) {
      await cp(join(ROOT, file), join(tree, file));
    }
    await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    for (const [file, specifier] of VIOLATIONS) {
      if (specifier.startsWith('.'))
        await put(join(dirname(file), specifier.replace(/\.js$/, '.ts')), 'export const x = 1;');
    }
    for (const [file, specifier] of VIOLATIONS)
      await put(file, `import * as it from '${specifier}';\nexport const used = it;`);
    await put('src/kernel/ring-a.ts', "import type { B } from './ring-b.js';\nexport type A = B[];");
    await put('src/kernel/ring-b.ts', "import type { A } from './ring-a.js';\nexport type B = { a: A };");
    await put('src/traffic/gateway/guest.ts', "export { x } from '../../identity/clients/clients.service.js';");
  });

  afterAll(() => rm(tree, { recursive: true, force: true }));

  async function put(file: string, text: string): Promise<void> {
    await mkdir(dirname(join(tree, file)), { recursive: true });
    await writeFile(join(tree, file), `${text}\n`);
  }

  it('object to each way of breaking the architecture, and to nothing else', () => {
    const cruiser = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
    const arguments_ = [cruiser, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'];
    const { stdout } = spawnSync(process.execPath, arguments_, {
      cwd: tree,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    const found: { from: string; rule: { name: string } }[] = JSON.parse(stdout).summary.violations;
    const seen = new Set(found.map(({ from, rule }) => `${from} ${rule.name}`));
    const expected = VIOLATIONS.map(([file, , rule]) => `${file} ${rule}`);
    expect([...seen].sort()).toEqual([...expected, 'src/kernel/ring-a.ts no-cycles'].sort());
  });
});
