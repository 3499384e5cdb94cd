import 'reflect-metadata';
import { UsageError } from '../../platform/command-line/command-words.js';
import { parseUsersCommand } from './users-command.js';

describe('users create', () => {
  it('reads every option', async () => {
    const line = 'create --email ada@example.com --name Ada --tier gold --role owner --password-stdin --json';
    expect(await parseUsersCommand(line.split(' '))).toEqual({
      action: 'create',
      json: true,
      user: { email: 'ada@example.com', name: 'Ada', tier: 'gold' },
      isOwner: true,
      readsPassword: true,
    });
  });

  it('leaves what is not given to the defaults', async () => {
    expect(await parseUsersCommand(['create', '--email', 'ada@example.com'])).toEqual({
      action: 'create',
      json: false,
      user: { email: 'ada@example.com' },
      isOwner: false,
      readsPassword: false,
    });
  });

  it.each([
    [[], 'users takes create.'],
    [['destroy'], 'users knows no such action.'],
    [['create'], '--email must be an e-mail address'],
    [['create', '--email', 'ada'], '--email must be an e-mail address'],
    [['create', '--email', 'a@b.c', '--email', 'd@e.f'], '--email may be given once.'],
    [['create', '--email', 'a@b.c', '--name', ''], '--name must be a text'],
    [['create', '--email', 'a@b.c', '--role', 'viewer'], '--role may be owner'],
    [['create', '--email', 'a@b.c', '--password', 'x'], "Unknown option '--password'."],
    [['create', 'ada@example.com'], "Unexpected argument 'ada@example.com'."],
  ])('refuses %j', async (words, sentence) => {
    const read = parseUsersCommand(words);
    await expect(read).rejects.toThrow(UsageError);
    await expect(read).rejects.toThrow(sentence);
  });
});
