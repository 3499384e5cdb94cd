import { InvalidRequestError } from '../../kernel/app-error.js';
import { type ListShape, parseListQuery, toPage } from './list-query.js';

const SHAPE: ListShape<'created_at' | 'name' | 'size'> = {
  sortKeys: { created_at: 'time', name: 'text', size: 'integer' },
  defaultSort: '-created_at',
  idPattern: /^id_\d+$/,
  filters: { status: ['active', 'disabled'], name: 'text', size: 'integer', created_after: 'time' },
};

const parse = (raw: Record<string, unknown>) => parseListQuery(raw, SHAPE);
const encode = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url');

function errorsOf(raw: Record<string, unknown>) {
  try {
    parse(raw);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidRequestError);
    return (error as InvalidRequestError).errors ?? [];
  }
  throw new Error('The query was taken.');
}

describe('parseListQuery', () => {
  it('has defaults', () => {
    expect(parse({})).toEqual({ limit: 50, sort: 'created_at', descending: true, after: null, filters: {} });
  });

  it('reads limit, sort and filters of every kind', () => {
    const query = parse({
      limit: '200',
      sort: 'name',
      status: 'active',
      name: 'x',
      size: '-7',
      created_after: '2026-01-31T10:00:00.123+02:00',
    });
    expect(query).toEqual({
      limit: 200,
      sort: 'name',
      descending: false,
      after: null,
      filters: { status: 'active', name: 'x', size: -7, created_after: new Date('2026-01-31T08:00:00.123Z') },
    });
  });

  it.each(['0', '201', '-1', '1.5', '1e2', '', ' 5', 'all', '0x10', '1000'])('refuses limit=%p', (limit) => {
    expect(errorsOf({ limit })).toEqual([{ location: 'query.limit', message: 'must be a whole number from 1 to 200' }]);
  });

  it.each(['', '-', '--name', 'secret', 'constructor', '__proto__', 'name,size', '-toString'])(
    'refuses sort=%p and names what there is',
    (sort) => {
      expect(errorsOf({ sort })).toEqual([
        { location: 'query.sort', message: 'must be one of created_at, -created_at, name, -name, size, -size' },
      ]);
    },
  );

  it.each(['secret', 'constructor', 'toString', 'hasOwnProperty', 'limits', 'Status'])(
    'refuses the unknown filter %p',
    (name) => {
      expect(errorsOf({ [name]: 'x' })).toEqual([
        { location: `query.${name}`, message: 'is not a filter of this list' },
      ]);
    },
  );

  it('refuses __proto__ as a filter and leaves prototypes alone', () => {
    const raw = Object.assign(Object.create(null), JSON.parse('{"__proto__":"x"}'));
    expect(errorsOf(raw)).toEqual([{ location: 'query.__proto__', message: 'is not a filter of this list' }]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('refuses a parameter given twice, a NUL and a very long text', () => {
    expect(errorsOf({ name: ['a', 'b'], status: 'a\u0000', sort: ['name', 'name'] })).toEqual([
      { location: 'query.name', message: 'must be given once' },
      { location: 'query.status', message: 'must not hold a NUL character' },
      { location: 'query.sort', message: 'must be given once' },
    ]);
    expect(errorsOf({ name: 'x'.repeat(257) })).toEqual([
      { location: 'query.name', message: 'must have at most 256 characters' },
    ]);
  });

  it.each(['x', '', '1.5', '1e3', '0x1', '9999999999', ' 1'])('refuses size=%p', (size) => {
    expect(errorsOf({ size })).toEqual([{ location: 'query.size', message: 'must be a whole number' }]);
  });

  it.each([
    '2026-01-31',
    '2026-01-31T10:00:00',
    '2026-13-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T10:60:00Z',
    '2026-01-31T10:00:00+16:00',
    '2026-01-31T10:00:00+02:60',
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    '+010000-01-01T00:00:00Z',
    'yesterday',
    '1760000000000',
    '',
  ])('refuses created_after=%p', (created_after) => {
    expect(errorsOf({ created_after })).toEqual([
      { location: 'query.created_after', message: 'must be an RFC 3339 time, e.g. 2026-01-31T00:00:00Z' },
    ]);
  });

  it.each(['2024-02-29T23:59:59Z', '2000-02-29T00:00:00.123456789Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
    'takes created_after=%p',
    (created_after) => {
      expect(parse({ created_after }).filters).toEqual({ created_after: new Date(created_after) });
    },
  );

  it('names every wrong parameter at once', () => {
    expect(errorsOf({ limit: '0', status: 'x', other: 'y', sort: 'z' }).map(({ location }) => location)).toEqual([
      'query.limit',
      'query.status',
      'query.other',
      'query.sort',
    ]);
  });
});

describe('cursors', () => {
  const rows = Array.from({ length: 4 }, (_, i) => ({ id: `id_${i}`, name: `name ${i}` }));

  it('lead from page to page in the sort they were made for', () => {
    const query = parse({ limit: '3', sort: '-name' });
    const page = toPage(
      rows,
      query,
      ({ name }) => name,
      ({ name, id }) => [name, id],
    );
    expect(page).toEqual({
      data: ['name 0', 'name 1', 'name 2'],
      has_more: true,
      next_cursor: expect.stringMatching(/^[\w-]+$/),
    });
    expect(parse({ sort: '-name', cursor: page.next_cursor }).after).toEqual(['name 2', 'id_2']);
  });

  it('are not given on a last page', () => {
    const page = toPage(
      rows.slice(0, 3),
      parse({ limit: '3' }),
      ({ id }) => id,
      ({ name, id }) => [name, id],
    );
    expect(page).toEqual({ data: ['id_0', 'id_1', 'id_2'], has_more: false, next_cursor: null });
    expect(toPage([], parse({}), String, () => ['', ''])).toEqual({ data: [], has_more: false, next_cursor: null });
  });

  it.each([
    ['of another sort', encode(['name', 'x', 'id_1'])],
    ['of the other direction', encode(['created_at', '2026-01-01T00:00:00Z', 'id_1'])],
    ['with a value that is no time', encode(['-created_at', "x'; DROP TABLE", 'id_1'])],
    ['with a time PostgreSQL would refuse', encode(['-created_at', '2026-02-30T00:00:00Z', 'id_1'])],
    ['with an id of another form', encode(['-created_at', '2026-01-01T00:00:00Z', 'id_x'])],
    ['with a number', encode(['-created_at', 1, 'id_1'])],
    ['with a NUL', encode(['-created_at', '\u0000', 'id_1'])],
    ['with a part too many', encode(['-created_at', '2026-01-01T00:00:00Z', 'id_1', 1])],
    ['that is an object', encode({ length: 3 })],
    ['that is null', encode(null)],
    ['that is no JSON', 'abc'],
    ['that is empty', ''],
  ])('are refused: one %s', (_name, cursor) => {
    expect(errorsOf({ cursor })).toEqual([
      {
        location: 'query.cursor',
        message: 'is not a cursor of this list and sort; take next_cursor of the page before',
      },
    ]);
  });
});
