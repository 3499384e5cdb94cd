import 'reflect-metadata';
import fc from 'fast-check';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { validateBody } from '../../platform/http/json-body.js';
import { CreateClientDto, UpdateClientDto } from './clients.dto.js';
import { SCOPES } from './clients.validators.js';

async function problemsOf(document: unknown, dto: typeof CreateClientDto | typeof UpdateClientDto = CreateClientDto) {
  const error = await validateBody<object>(document, dto).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error !== null && !(error instanceof InvalidRequestError)) throw error;
  return error?.errors ?? [];
}
const locationsOf = async (...args: Parameters<typeof problemsOf>) =>
  (await problemsOf(...args)).map(({ location }) => location);
const accepted = (fields: object) => locationsOf({ name: 'n', ...fields });

describe('name', () => {
  it.each([
    ['one character', 'a'],
    ['128 characters', 'a'.repeat(128)],
    ['128 characters of two code units', '\u{1f600}'.repeat(128)],
    ['blanks inside', 'billing  service'],
    ['any script', '請求サービス – Ürün'],
  ])('takes %s', async (_what, name) => {
    expect(await accepted({ name })).toEqual([]);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['blanks', ' \t '],
    ['what cannot be seen', '\u200b\u2066'],
    ['129 characters', 'a'.repeat(129)],
    ['129 characters of two code units', '\u{1f600}'.repeat(129)],
    ['a line end', 'a\nb'],
    ['an escape', 'a\u001b[31m'],
    ['a C1 control', 'a\u0085b'],
    ['a NUL', 'a\u0000'],
    ['half a surrogate pair', 'a\ud800b'],
    ['a number', 7],
    ['a list', ['a']],
    ['an object', { text: 'a' }],
  ])('refuses %s', async (_what, name) => {
    expect(await locationsOf({ name })).toEqual(['body.name']);
  });

  it('refuses an object that would pass for a text, by the name it inherits', async () => {
    expect(await locationsOf({ name: { toString: 'a' } })).toEqual(['body.name.toString']);
  });

  it('says what it must be, and does not repeat what it was', async () => {
    const [problem] = await problemsOf({ name: 'secret\n' });
    expect(problem).toEqual({
      location: 'body.name',
      message: 'must be a text of 1 to 128 characters without control characters',
    });
  });
});

describe('scopes', () => {
  it.each([[[]], [['llm:invoke']], [['admin']], [[...SCOPES]]])('takes %j', async (scopes) => {
    expect(await accepted({ scopes })).toEqual([]);
  });

  it.each([
    [null],
    ['llm:invoke'],
    [{ 0: 'llm:invoke', length: 1 }],
    [['llm:invoke', 'llm:invoke']],
    [['llm:Invoke']],
    [['llm:invoke ']],
    [['clients:*']],
    [['']],
    [[null]],
    [[['llm:invoke']]],
    [[{}]],
    [['toString']],
    [Array.from({ length: 33 }, (_, n) => `scope:${n}`)],
  ])('refuses %j', async (scopes) => {
    expect(await accepted({ scopes })).toEqual(['body.scopes']);
  });
});

describe('tier, environment and status', () => {
  it.each([[null], [''], ['Paid'], ['a'.repeat(33)], ['paid '], [1], [['paid']]])('no tier is %j', async (tier) => {
    expect(await accepted({ tier })).toEqual(['body.tier']);
  });

  it.each([[null], ['prod'], ['LIVE'], [['live']]])('no environment is %j', async (environment) => {
    expect(await accepted({ environment })).toEqual(['body.environment']);
  });

  it.each([[null], ['revoked'], [true], [['active']]])('no status is %j', async (status) => {
    expect(await locationsOf({ status }, UpdateClientDto)).toEqual(['body.status']);
  });
});

describe('expires_at', () => {
  it.each([
    [null],
    ['2030-01-31T00:00:00Z'],
    ['2030-01-31T00:00:00.123456789Z'],
    ['2030-01-31T23:59:59+23:59'],
    ['2028-02-29T00:00:00-08:00'],
    ['9999-12-31T23:59:59.999Z'],
  ])('takes %j', async (expires_at) => {
    expect(await accepted({ expires_at })).toEqual([]);
  });

  it.each([
    ['2030-01-31'],
    ['2030-01-31 00:00:00Z'],
    ['2030-01-31T00:00:00'],
    ['2030-02-29T00:00:00Z'],
    ['2030-02-31T00:00:00Z'],
    ['2030-04-31T00:00:00Z'],
    ['2030-13-01T00:00:00Z'],
    ['2030-00-10T00:00:00Z'],
    ['2030-01-00T00:00:00Z'],
    ['2030-01-31T24:00:00Z'],
    ['2030-01-31T00:60:00Z'],
    ['2030-01-31T00:00:60Z'],
    ['2030-01-31T00:00:00+24:00'],
    ['9999-12-31T23:59:59-01:00'],
    ['+012030-01-31T00:00:00Z'],
    ['tomorrow'],
    [''],
    [1_900_000_000],
    [{}],
    [['2030-01-31T00:00:00Z']],
  ])('refuses %j', async (expires_at) => {
    expect(await accepted({ expires_at })).toEqual(['body.expires_at']);
  });

  it('takes every moment that can be written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        async (date) => {
          expect(await accepted({ expires_at: date.toISOString() })).toEqual([]);
        },
      ),
    );
  });
});

describe('everything else', () => {
  it.each([
    ['client_id', 'cn_live_0123456789AB'],
    ['client_secret', 'x'],
    ['status', 'active'],
    ['version', '1'],
    ['expiresAt', null],
    ['hashed_secret', 'x'],
    ['isAdmin', true],
    ['hasOwnProperty', true],
    ['constructor', 'x'],
    ['toString', 'x'],
    ['', 1],
  ])('refuses the field %j by its name', async (field, value) => {
    expect(await accepted({ [field]: value })).toEqual([`body.${field}`]);
  });

  it('names each wrong field, not the first only', async () => {
    const locations = await locationsOf({ name: '', tier: 1, scopes: {}, environment: 2, expires_at: 3, extra: 4 });
    expect(locations.toSorted()).toEqual(
      ['environment', 'expires_at', 'extra', 'name', 'scopes', 'tier'].map((field) => `body.${field}`),
    );
  });

  it('lets a change leave any field out, and sets none', async () => {
    expect(await validateBody({}, UpdateClientDto)).toEqual({});
    expect(Object.keys(await validateBody({ expires_at: null }, UpdateClientDto))).toEqual(['expires_at']);
    expect(await locationsOf({ environment: 'test' }, UpdateClientDto)).toEqual(['body.environment']);
  });
});
