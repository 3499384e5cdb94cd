import { firstMissing, holdersOf, holds, holdsIn, partOf, resourceOf, takesFrom } from './permission-terms.js';

const set = (...names: string[]) => new Set(names);

describe('what holds a permission', () => {
  it('is itself, the admin of its resource, and admin', () => {
    expect(holdersOf('clients:read')).toEqual(['clients:read', 'clients:admin', 'admin']);
    expect(holdersOf('clients:admin')).toEqual(['clients:admin', 'admin']);
    expect(holdersOf('admin')).toEqual(['admin']);
  });

  it.each<[string[], string, boolean]>([
    [['clients:read'], 'clients:read', true],
    [['clients:admin'], 'clients:delete', true],
    [['clients:admin'], 'clients:purge', true],
    [['clients:admin'], 'users:read', false],
    [['clients:read', 'clients:write', 'clients:delete'], 'clients:admin', false],
    [['admin'], 'anything:at_all', true],
    [['users:admin'], 'admin', false],
    [['client:admin'], 'clients:read', false],
    [['clients'], 'clients:read', false],
    [[], 'clients:read', false],
  ])('%j holds %s: %s', (held, permission, expected) => {
    expect(holds(held, permission)).toBe(expected);
    expect(holdsIn(set(...held), permission)).toBe(expected);
  });

  it('names the first that is missing', () => {
    expect(firstMissing(['clients:admin'], ['clients:read', 'users:read', 'admin'])).toBe('users:read');
    expect(firstMissing(['admin'], ['clients:read', 'users:read', 'admin'])).toBeNull();
    expect(firstMissing([], [])).toBeNull();
  });
});

describe('what a denial takes from a permission', () => {
  it.each<[string[], string, boolean]>([
    [['clients:read'], 'clients:read', true],
    [['clients:read'], 'clients:write', false],
    [['clients:read'], 'clients:admin', true],
    [['clients:read'], 'admin', true],
    [['clients:admin'], 'clients:read', true],
    [['admin'], 'clients:read', true],
    [['admin'], 'admin', true],
    [['users:read'], 'clients:admin', false],
    [[], 'admin', false],
  ])('%j from %s: %s', (denied, permission, expected) => {
    expect(takesFrom(set(...denied), permission)).toBe(expected);
  });

  it('names the part', () => {
    expect(partOf(set('users:read', 'clients:read'), 'clients:admin')).toBe('clients:read');
    expect(partOf(set('users:read'), 'clients:read')).toBeNull();
  });
});

it('is about a resource', () => {
  expect(['clients:read', 'admin', 'a:b:c'].map(resourceOf)).toEqual(['clients', 'admin', 'a']);
});
