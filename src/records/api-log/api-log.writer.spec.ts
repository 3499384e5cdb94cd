import { RequestRecord } from '../../kernel/request-record.js';
import { Settings } from '../../platform/config/settings.js';
import { RequestObservers } from '../../platform/http/request-observer.js';
import { ApiLogWriter } from './api-log.writer.js';
import type { ApiLogCopyRepository } from './api-log-copy.repository.js';
import { ApiLogNumbers } from './api-log-numbers.js';

const CAPACITY = 1_000;

/** A repository whose writes end as the test says. */
class FakeRepository {
  readonly written: string[] = [];
  away = false;
  hanging: (() => void) | null = null;
  hang = false;
  batches: number[] = [];
  closed = false;
  readonly marks: { process: number; issued: number; ended: boolean }[] = [];

  async write(lines: readonly string[]): Promise<number> {
    this.batches.push(lines.length);
    if (this.hang)
      await new Promise<void>((_, reject) => {
        this.hanging = () => reject(new Error('cut'));
      });
    if (this.away) throw new Error('PostgreSQL is away');
    this.written.push(...lines);
    return 0;
  }

  async mark(process: number, issued: number, ended: boolean): Promise<void> {
    if (this.away) throw new Error('PostgreSQL is away');
    this.marks.push({ process, issued, ended });
  }

  close(): void {
    this.closed = true;
    this.hanging?.();
  }
}

function build() {
  const repository = new FakeRepository();
  const observers = new RequestObservers();
  const settings = Object.assign(new Settings(), { API_LOG_QUEUE: CAPACITY });
  const copies = repository as unknown as ApiLogCopyRepository;
  const writer = new ApiLogWriter(settings, copies, observers, new ApiLogNumbers(copies));
  writer.onModuleInit();
  let number = 0;
  const request = (times = 1) => {
    for (let i = 0; i < times; i++)
      observers.closed(new RequestRecord(`req-${number++}`, 'GET', '::1', 'none', Date.now()));
  };
  return { repository, writer, request };
}

describe('ApiLogWriter', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('writes a single row within a second', async () => {
    const { repository, writer, request } = build();
    request();
    expect(writer.stats().queued).toBe(1);
    await jest.advanceTimersByTimeAsync(999);
    expect(repository.written).toHaveLength(1);
    expect(writer.stats()).toEqual({ queued: 0, written: 1, shed: 0, rejected: 0, failures: 0 });
  });

  it('writes a full batch at once, and gathers the rest', async () => {
    const { repository, request } = build();
    request(520);
    await jest.advanceTimersByTimeAsync(0);
    expect(repository.batches).toEqual([500]);
    await jest.advanceTimersByTimeAsync(999);
    expect(repository.batches).toEqual([500, 20]);
  });

  it('sheds and counts what finds the queue full, and takes rows again afterwards', async () => {
    const { repository, writer, request } = build();
    repository.away = true;
    request(CAPACITY + 7);
    await jest.advanceTimersByTimeAsync(1_000);
    request(3);
    expect(writer.stats()).toMatchObject({ queued: CAPACITY, shed: 10, written: 0 });
    repository.away = false;
    await jest.advanceTimersByTimeAsync(10_000);
    request();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(writer.stats()).toMatchObject({ queued: 0, shed: 10, written: CAPACITY + 1 });
    expect(new Set(repository.written).size).toBe(CAPACITY + 1);
  });

  it('tries a failed batch again with the same ids, ever less often, and in order', async () => {
    const { repository, writer, request } = build();
    repository.away = true;
    request(2);
    await jest.advanceTimersByTimeAsync(60_000);
    const attempts = repository.batches.length;
    expect(attempts).toBeGreaterThan(5);
    expect(attempts).toBeLessThan(30);
    repository.away = false;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(repository.written).toHaveLength(2);
    expect(writer.stats().failures).toBe(attempts);
  });

  it('does not let a row without a time disturb the request', () => {
    const { writer } = build();
    writer.onRecordClosed(new RequestRecord('r', 'GET', '::1', 'none', Number.NaN));
    expect(writer.stats()).toMatchObject({ queued: 0, rejected: 1 });
  });

  it('writes everything at shutdown, then cuts its connection', async () => {
    const { repository, writer, request } = build();
    request(777);
    await writer.onApplicationShutdown();
    expect(repository.written).toHaveLength(777);
    expect(repository.closed).toBe(true);
  });

  it('gives up at shutdown after five seconds of a silent PostgreSQL', async () => {
    const { repository, writer, request } = build();
    repository.hang = true;
    request(3);
    const stopped = writer.onApplicationShutdown();
    await jest.advanceTimersByTimeAsync(5_500);
    await expect(stopped).resolves.toBeUndefined();
    expect(writer.stats()).toMatchObject({ queued: 3, written: 0 });
  });
});
