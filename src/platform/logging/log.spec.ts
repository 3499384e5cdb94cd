import { configureLog, type LogFields, log } from './log.js';
import { framesOf, logError } from './log-error.js';
import { NestLogger } from './nest-logger.js';

const SECRET = 'cn_live_canary_secret';

function capture(level = 'info') {
  const lines: string[] = [];
  configureLog(level, { write: (line) => lines.push(line) });
  return { text: () => lines.join(''), lines: () => lines.map((line) => JSON.parse(line)) };
}

afterEach(() => configureLog('silent'));

describe('log', () => {
  it('writes one JSON object a line, with time and level', () => {
    const out = capture();
    log('info', 'listening', { port: 3000, host: '127.0.0.1' });
    expect(out.lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        port: 3000,
        host: '127.0.0.1',
        message: 'listening',
      },
    ]);
  });

  it('leaves out every field that is not on its list', () => {
    const out = capture();
    log('info', 'x', { authorization: SECRET, body: SECRET, err: new Error(SECRET) } as unknown as LogFields);
    expect(out.lines()).toHaveLength(1);
    expect(out.text()).not.toContain(SECRET);
  });

  it('writes nothing below its level', () => {
    const out = capture('warn');
    log('info', 'x');
    log('warn', 'y');
    expect(out.lines()).toMatchObject([{ level: 'warn', message: 'y' }]);
  });
});

describe('logError', () => {
  it('writes name, code and frames, and nothing else of an error', () => {
    const out = capture();
    const error = Object.assign(new TypeError(`bad ${SECRET}\n    at ${SECRET} (/etc/x:1:1)`), {
      code: 'E_CODE',
      parameters: [SECRET],
      body: SECRET,
    });
    logError(error, { requestId: 'req_1', context: 'test' });
    const [line] = out.lines();
    expect(line).toMatchObject({
      level: 'error',
      message: 'unexpected failure',
      error: 'TypeError',
      code: 'E_CODE',
      request_id: 'req_1',
      context: 'test',
    });
    expect(line.frames.length).toBeGreaterThan(0);
    expect(out.text()).not.toContain(SECRET);
  });

  it.each([SECRET, { secret: SECRET }, null, Object.assign(new Error('x'), { name: SECRET.repeat(9), code: 'a b' })])(
    'says only what kind of thing was thrown when it is no error (%#)',
    (thrown) => {
      const out = capture();
      logError(thrown);
      expect(out.lines()).toHaveLength(1);
      expect(out.text()).not.toContain(SECRET);
    },
  );

  it('takes frames only', () => {
    const stack = `Error: one\ntwo ${SECRET}\n    at fn (/a/b.js:1:2)\n    at async Class.method (file:///a/c.js:3:4)\n    at node:internal/x:5:6`;
    expect(framesOf(stack, `one\ntwo ${SECRET}`)).toEqual([
      'fn (/a/b.js:1:2)',
      'async Class.method (file:///a/c.js:3:4)',
      'node:internal/x:5:6',
    ]);
  });
});

describe('NestLogger', () => {
  it('writes texts with their context, and of objects and errors no content', () => {
    const out = capture('debug');
    const logger = new NestLogger();
    logger.log('started', 'NestApplication');
    logger.log('Mapped {/x, GET} route', 'RouterExplorer');
    logger.error(new Error(SECRET), 'Room');
    logger.warn({ secret: SECRET }, 'Room');
    logger.error('failed', `Error: ${SECRET}\n    at fn (/a.js:1:1)`, 'Room');
    expect(out.lines()).toMatchObject([
      { level: 'info', message: 'started', context: 'NestApplication' },
      { level: 'debug', context: 'RouterExplorer' },
      { level: 'error', error: 'Error', context: 'Room' },
      { level: 'warn', message: 'a message that is not text was left out' },
      { level: 'error', message: 'failed', frames: ['fn (/a.js:1:1)'] },
    ]);
    expect(out.text()).not.toContain(SECRET);
  });
});
