import { InvalidRequestError, PermissionDeniedError } from '../../kernel/app-error.js';
import {
  assertMayChange,
  assertMayOutlast,
  assertMayRevoke,
  assertMayWiden,
  type Grantor,
  type Holdings,
  NO_LISTS,
  OPERATOR,
} from './grantor.js';

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

describe('whoever holds something for a time or under conditions only', () => {
  const grantor: Grantor = { ...anybody('a:admin', 'b:read'), lasting: ['b:read'], selfId: 'usr_1' };
  const refusal = new PermissionDeniedError(
    'You cannot grant the scope "a:read", which you hold for a time or under conditions only, unless the client is your own.',
  );

  it.each([[null], ['usr_2']])('gives it to no client of %s', (ownerId) => {
    expect(() => assertMayOutlast(grantor, ['b:read', 'a:read'], ownerId, 'grant')).toThrow(refusal);
    expect(() => assertMayOutlast(grantor, ['b:read'], ownerId, 'grant')).not.toThrow();
  });

  it('gives it to their own', () => {
    expect(() => assertMayOutlast(grantor, ['a:read'], 'usr_1', 'grant')).not.toThrow();
    expect(() => assertMayOutlast({ ...grantor, selfId: null }, ['a:read'], null, 'grant')).toThrow(refusal);
  });

  const END = new Date(1_000);
  const current = {
    ...holding('a:read', 'b:read'),
    allowedModels: ['openai/*'],
    status: 'active' as const,
    expiresAt: END,
    ownerId: null,
  };
  it.each([
    [{ scopes: ['a:read', 'a:write'] }, '"a:write"'],
    [{ allowedModels: null }, '"a:read"'],
    [{ expiresAt: new Date(1_001) }, '"a:read"'],
    [{ expiresAt: null }, '"a:read"'],
  ])('widens nothing that holds it: %j', (changes, said) => {
    expect(() => assertMayWiden(grantor, current, changes)).toThrow(said);
    expect(() => assertMayWiden(grantor, { ...current, ownerId: 'usr_1' }, changes)).not.toThrow();
  });

  it('lets nothing in again that holds it', () => {
    const disabled = { ...current, status: 'disabled' as const };
    expect(() => assertMayWiden(grantor, disabled, { status: 'active' })).toThrow('"a:read"');
    expect(() => assertMayWiden(grantor, disabled, { status: 'active', scopes: ['b:read'] })).not.toThrow();
  });

  it.each([
    [{}],
    [{ scopes: ['a:read'] }],
    [{ allowedModels: ['openai/o3'] }],
    [{ expiresAt: new Date(999) }],
    [{ status: 'disabled' as const }],
    [{ status: 'active' as const, expiresAt: END, scopes: ['b:read'] }],
  ])('narrows it: %j', (changes) => {
    expect(() => assertMayWiden(grantor, current, changes)).not.toThrow();
  });
});
