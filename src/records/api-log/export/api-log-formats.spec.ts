import type { ApiLogDto } from '../api-log.dto.js';
import { API_LOG_FORMATS } from './api-log-formats.js';

const { csv, ndjson } = API_LOG_FORMATS;

function buildRow(overrides: Partial<ApiLogDto> = {}): ApiLogDto {
  return {
    id: '018f3a5e-0000-4000-8000-000000000001',
    created_at: '2026-01-31T23:59:59.007000Z',
    request_id: 'req-1',
    method: 'POST',
    route: '/v1/chat/completions',
    status: 200,
    latency_ms: 12.5,
    bytes_in: 10,
    bytes_out: null,
    auth_method: 'client',
    client_id: 'cn_live_abcdefghijkl',
    client_address: '10.0.0.1',
    caller_kind: 'curl',
    provider: 'openai',
    model: 'openai/gpt-4o',
    stream: false,
    input_tokens: 3,
    output_tokens: 0,
    error_code: null,
    user_id: null,
    ...overrides,
  };
}

/** A reader of RFC 4180 of its own. */
function cellsOf(line: string): string[] {
  expect(line.endsWith('\r\n')).toBe(true);
  const cells = [...line.slice(0, -2).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)];
  return cells.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
}

it('writes one JSON object a line, with every field of the list', () => {
  const line = ndjson.line(buildRow({ model: 'a\n"b"' }));
  expect(line.split('\n')).toHaveLength(2);
  expect(JSON.parse(line)).toEqual(buildRow({ model: 'a\n"b"' }));
  expect(ndjson.head).toBe('');
});

it('writes a header line and the cells in its order, nothing for null', () => {
  const names = cellsOf(csv.head);
  expect(names).toEqual(Object.keys(buildRow()));
  const cells = cellsOf(csv.line(buildRow()));
  expect(Object.fromEntries(names.map((name, index) => [name, cells[index]]))).toEqual(
    Object.fromEntries(Object.entries(buildRow()).map(([name, value]) => [name, value === null ? '' : String(value)])),
  );
});

it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\n=1', '=cmd|" /C calc"!A0', '=1,2'])(
  'takes from a spreadsheet what it would run: %j',
  (hostile) => {
    const cells = cellsOf(csv.line(buildRow({ model: hostile, request_id: hostile })));
    expect(cells[14]).toBe(`'${hostile}`);
    expect(cells[2]).toBe(`'${hostile}`);
    expect(cells).toHaveLength(20);
  },
);

it.each(['a,b', 'say "x"', 'two\r\nlines', '"', ',,'])('quotes %j, which reads back as it was', (text) => {
  const cells = cellsOf(csv.line(buildRow({ route: text })));
  expect(cells[4]).toBe(text);
  expect(cells).toHaveLength(20);
});

it('leaves numbers as they are', () => {
  expect(cellsOf(csv.line(buildRow({ latency_ms: -1, bytes_in: 0 }))).slice(6, 8)).toEqual(['-1', '0']);
});
