import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppProcess, startAppProcess } from '../support/app-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROOT = join(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(ROOT, 'docs/guides/people.md'), 'utf8');
const NODE = join(ROOT, 'node_modules/.bin/node');
const MASTER_KEY = 'a master key that only this test knows of';

interface Block {
  readonly commands: string;
  /** What stands under it; null: nothing is said. */
  readonly prints: string | null;
}

/** The blocks of commands of the guide, each with what it prints. */
function blocksOf(guide: string): Block[] {
  const fences = guide.matchAll(/^```bash\n([\s\S]*?)^```\n(?:```text\n([\s\S]*?)^```)?/gm);
  return [...fences].map(([, commands = '', prints]) => ({ commands, prints: prints ?? null }));
}

/** `…` stands for what differs each time. */
function patternOf(text: string): RegExp {
  return new RegExp(`^${text.trim().split('…').map(escaped).join('[^\\n]*')}$`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

let database: TestDatabase;
let folder: string;
let core: AppProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'core-nest-guide-'));
  mkdirSync(join(folder, 'bin'));
  // The command line as it stands in the sources, by the name the guide calls it.
  const npm = `#!/bin/sh\nshift 4\nexec ${NODE} --import ${ROOT}/test/support/ts-run.mjs ${ROOT}/src/cli.ts "$@"\n`;
  writeFileSync(join(folder, 'bin/npm'), npm);
  chmodSync(join(folder, 'bin/npm'), 0o755);
  core = await startAppProcess({
    DATABASE_URL: database.url,
    MASTER_KEY,
    MAIL_URL: `folder:${join(folder, '.data/mail')}`,
    RATE_LIMITS: 'login=1000/60',
  });
}, 60_000);

afterAll(async () => {
  core?.child.kill('SIGTERM');
  await core?.exited;
  rmSync(folder, { recursive: true });
  await database.drop();
});

/** Runs the blocks one after the other in one shell, and gives what each of them printed. */
async function run(blocks: readonly Block[]): Promise<{ code: number; printed: string[]; errors: string }> {
  const mark = '<<<the next block>>>';
  const script = ['set -euo pipefail', ...blocks.map(({ commands }) => `${commands}\nprintf '\\n%s\\n' '${mark}'`)]
    .join('\n')
    .replace('URL=http://127.0.0.1:3000', `URL=http://127.0.0.1:${core.port}`);
  const child = spawn('bash', ['-c', script], {
    cwd: folder,
    env: {
      PATH: `${join(folder, 'bin')}:${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
      DATABASE_URL: database.url,
      MASTER_KEY,
      PASSWORD_BCRYPT_COST: '4',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  return { code, printed: output.split(mark).map((text) => text.trim()), errors };
}

it('leads an employee and their keys through their life, as it says', async () => {
  const blocks = blocksOf(GUIDE);
  expect(blocks.length).toBeGreaterThan(15);
  const { code, printed, errors } = await run(blocks);
  expect({ code, errors, reached: printed.length - 1 }).toEqual({ code: 0, errors: '', reached: blocks.length });
  for (const [position, { commands, prints }] of blocks.entries()) {
    // With its commands, so that a failure says where.
    expect({ commands, printed: printed[position] }).toEqual({
      commands,
      printed: expect.stringMatching(patternOf(prints ?? '')),
    });
  }
}, 120_000);
