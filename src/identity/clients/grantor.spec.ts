import { InvalidRequestError, PermissionDeniedError } from '../../kernel/app-error.js';
import { assertMayChange, assertMayRevoke, type Grantor, type Holdings, NO_LISTS, OPERATOR } from './grantor.js';

const anybody = (...scopes: string[]): Grantor => ({ ...OPERATOR, scopes });
const self = (...scopes: string[]): Grantor => ({ ...OPERATOR, scopes, selfId: 'usr_1', ownerId: 'usr_1' });
const holding = (...scopes: string[]): Holdings => ({ ...NO_LISTS, scopes });

describe('whoever changes any client', () => {
  it('holds all that it has', () => {
    expect(() => assertMayChange(anybody('a:read'), holding('a:read'), {})).not.toThrow();
    expect(() => assertMayChange(anybody('a:read'), holding('a:read', 'b:read'), { scopes: ['a:read'] })).toThrow(
      'You cannot change a client with the scope "b:read", which you do not hold yourself.',
    );
  });

  it('ends no client that holds more', () => {
    expect(() => assertMayRevoke(anybody('a:read'), holding('b:read'), 'revoke a client with')).toThrow(
      new PermissionDeniedError('You cannot revoke a client with the scope "b:read", which you do not hold yourself.'),
    );
  });
});

describe('whoever changes one of its own', () => {
  it('may do so though it holds more, as long as it is left with no more', () => {
    const current = holding('a:read', 'b:read');
    expect(() => assertMayChange(self('a:read'), current, { scopes: ['a:read'] })).not.toThrow();
    expect(() => assertMayChange(self('a:read'), current, { scopes: [] })).not.toThrow();
    expect(() => assertMayChange(self('a:read'), current, {})).toThrow(
      new PermissionDeniedError('You cannot keep the scope "b:read", which you do not hold yourself.'),
    );
  });

  it.each([
    [['a:read'], ['a:read', 'b:read']],
    [['a:read'], ['admin']],
    [['a:read'], ['a:admin']],
    [[], ['a:read']],
  ])('adds no scope to %j: %j', (before, after) => {
    const change = () => assertMayChange(self('admin'), holding(...before), { scopes: after });
    expect(change).toThrow(InvalidRequestError);
    expect(change).toThrow('body.scopes: can only become fewer; make another key for more');
  });

  it.each([
    [['admin'], ['a:read', 'b:admin']],
    [['a:admin'], ['a:read', 'a:write']],
  ])('takes what %j holds for less: %j', (before, after) => {
    expect(() => assertMayChange(self('admin'), holding(...before), { scopes: after })).not.toThrow();
  });

  it('keeps lists as narrow as its own, those that are changed and those that stay', () => {
    const narrow: Grantor = { ...self('a:read'), allowedModels: ['openai/*'] };
    const current = { ...holding('a:read'), allowedModels: ['openai/gpt-4o-mini'] };
    expect(() => assertMayChange(narrow, current, {})).not.toThrow();
    expect(() => assertMayChange(narrow, current, { allowedModels: null })).toThrow(
      'You cannot keep allowed_models that are wider than your own.',
    );
    expect(() => assertMayChange(narrow, holding('a:read'), {})).toThrow(PermissionDeniedError);
    expect(() => assertMayChange(narrow, holding('a:read'), { allowedModels: ['openai/o3'] })).not.toThrow();
  });

  it('ends it whatever it holds', () => {
    expect(() => assertMayRevoke(self(), holding('admin'), 'revoke a client with')).not.toThrow();
  });
});
