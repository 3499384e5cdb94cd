import 'reflect-metadata';
import { UsageError } from '../../platform/command-line/command-words.js';
import { parseClientsCommand } from './clients-command.js';

const words = (line: string) => line.split(' ');

describe('clients create', () => {
  it('reads every option', async () => {
    const line = 'create --name ops --tier gold --scope admin --scope logs:read --environment test --json';
    expect(await parseClientsCommand([...words(line), '--expires-at', '2099-01-01T00:00:00+01:00'])).toEqual({
      action: 'create',
      json: true,
      client: {
        name: 'ops',
        tier: 'gold',
        scopes: ['admin', 'logs:read'],
        environment: 'test',
        expiresAt: new Date('2098-12-31T23:00:00Z'),
      },
    });
  });

  it('leaves what is not given to the defaults', async () => {
    const command = await parseClientsCommand(['create', '--name', 'two words']);
    expect(command).toEqual({ action: 'create', json: false, client: { name: 'two words', expiresAt: null } });
  });

  it('takes a value that begins with a dash after "="', async () => {
    expect(await parseClientsCommand(['create', '--name=-dash'])).toMatchObject({ client: { name: '-dash' } });
  });
});

describe('clients revoke and list', () => {
  it('are read', async () => {
    expect(await parseClientsCommand(['revoke', 'cn_live_x', '--json'])).toEqual({
      action: 'revoke',
      json: true,
      clientId: 'cn_live_x',
    });
    expect(await parseClientsCommand(['list'])).toEqual({ action: 'list', json: false });
  });
});

describe('wrong words', () => {
  const NAME = '--name must be a text of 1 to 128 characters without control characters.';

  it.each([
    [[], 'clients takes create, revoke or list.'],
    [['destroy'], 'clients knows no such action.'],
    [['constructor'], 'clients knows no such action.'],
    [['create'], NAME],
    [['create', '--name', ''], NAME],
    [['create', '--name', 'a\nb'], NAME],
    [['create', '--name', 'a', '--name', 'b'], '--name may be given once.'],
    [['create', '--name', 'a', '--expires-at', 'x', '--expires-at', 'y'], '--expires-at may be given once.'],
    [['create', '--name', 'a', '--tier', 'FREE'], '--tier must be the name of a tier.'],
    [['create', '--name', 'a', '--scope', 'root'], '--scope must be a list of at most 32 different scopes out of '],
    [['create', '--name', 'a', '--scope', 'admin', '--scope', 'admin'], '--scope must be a list of at most 32'],
    [['create', '--name', 'a', '--expires-at', 'soon'], '--expires-at must be an RFC 3339 time'],
    [['create', '--name', 'a', '--environment', 'prod'], '--environment must be one of live, test.'],
    [['create', '--name', '', '--tier', 'X'], '--tier must be the name of a tier.'],
    [['create', '--nam', 'a'], "Unknown option '--nam'."],
    [['create', '--name'], "Option '--name <value>' argument missing."],
    [['create', '--name', 'a', '--json=yes'], "Option '--json' does not take an argument."],
    [['create', 'a'], "Unexpected argument 'a'."],
    [['revoke'], 'clients revoke takes one client_id.'],
    [['revoke', 'a', 'b'], 'clients revoke takes one client_id.'],
    [['list', '--all'], "Unknown option '--all'."],
  ])('%j', async (line, sentence) => {
    const read = parseClientsCommand(line);
    await expect(read).rejects.toThrow(UsageError);
    await expect(read).rejects.toThrow(sentence);
  });
});
