import fc from 'fast-check';
import { RequestRecord } from '../../kernel/request-record.js';
import { apiLogLine, dayOfLine, LINE_COLUMNS } from './api-log-line.js';

const ID = '018f3a5e-0000-4000-8000-000000000001';
const AT = Date.UTC(2026, 0, 31, 23, 59, 59, 7);

function buildRecord(overrides: Partial<RequestRecord> = {}): RequestRecord {
  return Object.assign(new RequestRecord('req-1', 'POST', '10.0.0.1', 'curl', AT), overrides);
}

/** What PostgreSQL would read: the fields of one line of COPY's text format. */
function read(line: string): Record<string, string | null> {
  expect(line.endsWith('\n')).toBe(true);
  const fields = line.slice(0, -1).split('\t');
  expect(fields).toHaveLength(LINE_COLUMNS.length);
  return Object.fromEntries(
    LINE_COLUMNS.map((name, index) => {
      const field = fields[index] ?? '';
      return [name, field === '\\N' ? null : field.replaceAll('\\\\', '\\')];
    }),
  );
}

describe('apiLogLine', () => {
  it('cuts a text to 128 characters', () => {
    expect(read(apiLogLine(buildRecord({ model: 'm'.repeat(129) }), ID, 7, 1)).model).toBe('m'.repeat(128));
  });

  it('writes every field of a full record', () => {
    const record = buildRecord({
      route: '/v1/chat/completions',
      status: 200,
      latencyMs: 12.34567,
      bytesIn: 10,
      bytesOut: 5_000_000_000,
      authMethod: 'client',
      clientId: 'cn_live_abcdefghijkl',
      provider: 'openai',
      model: 'openai/gpt-4o-mini',
      stream: true,
      inputTokens: 3,
      outputTokens: 0,
      errorCode: 'provider_error',
      userId: 'usr_0123456789abcdefghij',
    });
    expect(read(apiLogLine(record, ID, 7, 1))).toEqual({
      created_at: '2026-01-31T23:59:59.007Z',
      id: ID,
      request_id: 'req-1',
      method: 'POST',
      route: '/v1/chat/completions',
      status: '200',
      latency_ms: '12.346',
      bytes_in: '10',
      bytes_out: '5000000000',
      auth_method: 'client',
      client_id: 'cn_live_abcdefghijkl',
      client_address: '10.0.0.1',
      caller_kind: 'curl',
      provider: 'openai',
      model: 'openai/gpt-4o-mini',
      stream: 't',
      input_tokens: '3',
      output_tokens: '0',
      error_code: 'provider_error',
      process: '7',
      sequence: '1',
      user_id: 'usr_0123456789abcdefghij',
    });
  });

  it('leaves null what is not known', () => {
    const row = read(apiLogLine(buildRecord(), ID, 7, 1));
    const unknown = ['route', 'auth_method', 'client_id', 'provider', 'model', 'input_tokens', 'output_tokens'];
    expect([...unknown, 'error_code', 'user_id'].map((name) => row[name])).toEqual(Array(9).fill(null));
  });

  it('gives a caller that left status 499, whatever was answered', () => {
    expect(read(apiLogLine(buildRecord({ status: 200, aborted: true }), ID, 7, 1)).status).toBe('499');
  });

  it.each([
    ['a tab', 'a\tb', 'ab'],
    ['a line feed', 'a\nb\r', 'ab'],
    ['the end-of-data mark', '\\.', '\\.'],
    ['the null mark', '\\N', '\\N'],
    ['a NUL', 'a\u0000b', 'ab'],
    ['an escape sequence', '\u001b[31mred', '[31mred'],
    ['a lone backslash at the end', 'a\\', 'a\\'],
  ])('takes the power from %s', (_, hostile, stored) => {
    const line = apiLogLine(buildRecord({ model: hostile, route: hostile, errorCode: hostile }), ID, 7, 1);
    expect(line.split('\n')).toHaveLength(2);
    const fields = line.slice(0, -1).split('\t');
    expect(fields[LINE_COLUMNS.indexOf('model')]).toBe(stored.replaceAll('\\', '\\\\'));
  });

  it('keeps any text within its field, and within 128 characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const row = read(apiLogLine(buildRecord({ model: text, clientId: text }), ID, 7, 1));
        expect((row.model ?? '').length).toBeLessThanOrEqual(128);
        expect(row.stream).toBe('f');
      }),
    );
  });

  it.each([
    [Number.NaN, '0'],
    [-1, '0'],
    [Number.POSITIVE_INFINITY, '2147483647'],
    [1.6, '2'],
    [1e300, '2147483647'],
  ])('forces the number %p into its column', (number, stored) => {
    expect(read(apiLogLine(buildRecord({ inputTokens: number, status: number }), ID, 7, 1))).toMatchObject({
      input_tokens: stored,
      status: stored,
    });
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 8.64e15])('refuses a record whose time is %p', (startedAt) => {
    expect(() => apiLogLine(new RequestRecord('r', 'GET', '::1', 'none', startedAt), ID, 7, 1)).toThrow(
      'without a time',
    );
  });

  it('tells the UTC day of a line', () => {
    expect(dayOfLine(apiLogLine(buildRecord(), ID, 7, 1))).toBe('2026-01-31');
  });
});
