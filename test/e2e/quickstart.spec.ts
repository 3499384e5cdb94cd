import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../src/platform/database/free-port.js';
import { eventually } from '../support/eventually.js';
import { QuickstartCopy } from '../support/quickstart-copy.js';

jest.setTimeout(180_000);

/** The steps of one user's day, in order, on one copy of the checkout. */
describe('npm run quickstart', () => {
  let copy: QuickstartCopy;
  let port: string;
  let adminKey = '';

  beforeAll(async () => {
    copy = new QuickstartCopy();
    port = String(await freePort());
  });

  afterAll(() => copy.remove());

  it('brings a new checkout to a serving instance, and every line it prints works', async () => {
    const run = await copy.serve({ PORT: port });
    const lines = pasteable(run.output());
    adminKey = /admin {2}(cn_live_\S+)/.exec(run.output())?.[1] ?? '';
    expect(Object.keys(lines)).toEqual([
      'A chat completion with our key',
      'The same, streamed',
      "With the caller's own provider token (the echo model takes any)",
      'With a real one (needs your OPENAI_API_KEY)',
      'Who am I',
      'Make a client',
      'Read the logs',
    ]);
    const answer = async (title: string) => JSON.parse(await copy.paste(lines[title] ?? ''));
    expect((await answer('A chat completion with our key')).choices[0].message.content).toBe('Hello');
    const streamed = await copy.paste(lines['The same, streamed'] ?? '');
    expect(streamed).toContain('"object":"chat.completion.chunk"');
    expect(streamed.trimEnd().endsWith('data: [DONE]')).toBe(true);
    const byot = await answer("With the caller's own provider token (the echo model takes any)");
    expect(byot.choices[0].message.content).toBe('Hello');
    expect(await answer('Who am I')).toMatchObject({ method: 'client', scopes: ['llm:invoke'], tier: 'paid' });
    expect(await answer('Make a client')).toMatchObject({
      name: 'my-app',
      api_key: expect.stringMatching(/^cn_live_/),
    });
    await eventually(async () => (await answer('Read the logs')).data.length === 5);
    expect((await stat(join(copy.directory, '.data/env'))).mode & 0o777).toBe(0o600);

    const second = copy.start({ PORT: '0' });
    expect(await second.ended()).toBe(1);
    expect(second.output()).toContain('Another copy is already running on');

    run.npm.kill('SIGINT');
    expect(await run.ended()).toBe(0);
    expect(run.output()).toContain('Stopped. Your data is in ./.data');
    await eventually(() => copy.processes().length === 0);
  });

  it('starts again within 5 s on the same data, and shows how to make other keys', async () => {
    const started = performance.now();
    const run = await copy.serve({ PORT: port });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(run.output()).toContain('your data of earlier starts was kept in ./.data');
    expect(run.output()).not.toMatch(/cn_live_/);
    const whoami = `curl -sS http://127.0.0.1:${port}/api/v1/whoami -H 'Authorization: Bearer ${adminKey}'`;
    expect(JSON.parse(await copy.paste(whoami))).toMatchObject({ scopes: ['admin'] });

    const newKeys = run.output().match(/^(?:ADMIN|DEMO)_KEY=.*$/gm) ?? [];
    const lines = pasteable(run.output());
    const [demo, admin] = ['Who am I', 'Make a client'].map((title) => lines[title] ?? '');
    const answers = await copy.paste([...newKeys, demo, 'echo', admin].join('\n'));
    const [identity = '', client = ''] = answers.trim().split('\n');
    expect(JSON.parse(identity)).toMatchObject({ scopes: ['llm:invoke'] });
    expect(JSON.parse(client)).toMatchObject({ name: 'my-app' });

    run.npm.kill('SIGKILL');
    await eventually(() => copy.processes().length === 0, 15_000);
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('leaves no process behind after %s', async (signal) => {
    const run = await copy.serve({ PORT: port });
    run.npm.kill(signal);
    await run.ended();
    await eventually(() => copy.processes().length === 0, 15_000);
    expect(run.output()).toContain('Stopped. Your data is in ./.data');
  });

  it('says what to do about a port that is taken', async () => {
    const other = createServer().listen(Number(port), '127.0.0.1');
    await once(other, 'listening');
    const run = copy.start({ PORT: port });
    expect(await run.ended()).toBe(1);
    expect(run.output()).toContain(
      `Port ${port} is taken: stop the program that uses it, or choose another one: PORT=`,
    );
    other.close();
    await eventually(() => copy.processes().length === 0);
  });

  it('says what to do in a folder that cannot be written', async () => {
    chmodSync(join(copy.directory, '.data'), 0o555);
    const run = copy.start({ PORT: '0' }, { asStranger: true });
    const code = await run.ended();
    chmodSync(join(copy.directory, '.data'), 0o755);
    expect(code).toBe(1);
    expect(run.output()).toMatch(
      /\.data cannot be written \(EACCES\): run this from a checkout that is yours to write/,
    );
  });

  it('names a setting that is wrong, and not its value', async () => {
    const run = copy.start({ PORT: 'eighty' });
    expect(await run.ended()).toBe(1);
    expect(run.output()).toContain('PORT: must ');
    expect(run.output()).not.toContain('eighty');
  });
});

/** The printed lines by their titles. */
function pasteable(output: string): Record<string, string> {
  return Object.fromEntries([...output.matchAll(/^# (.+)\n(curl .+)$/gm)].map(([, title, line]) => [title, line]));
}
