import { Agent, get, type RequestOptions } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What one request was told, and when it started and ended (`performance.now()`). */
export interface Answer {
  readonly started: number;
  readonly ended: number;
  readonly status: number;
  readonly degraded: boolean;
  /** The server that was asked, by its number. */
  readonly server: number;
}

/** One caller per server that asks again and again, with a short pause between an answer and the next request. */
export class SteadyLoad {
  readonly answers: Answer[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #callers: Promise<void>[];
  #stopped = false;

  constructor(ports: readonly number[], apiKey: string, callers: number, pauseMs: number, path = '/api/v1/whoami') {
    this.#callers = ports.flatMap((port, server) =>
      Array.from({ length: callers }, async () => {
        while (!this.#stopped) {
          this.answers.push(await ask({ agent: this.#agent, port, path, headers: { 'x-api-key': apiKey } }, server));
          await delay(pauseMs);
        }
      }),
    );
  }

  startedSince(time: number): Answer[] {
    return this.answers.filter(({ started }) => started >= time);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#callers);
    this.#agent.destroy();
  }
}

/** The time that 99 of 100 answers did not take longer than. */
export function p99(answers: readonly Answer[]): number {
  const times = answers.map(({ started, ended }) => ended - started).sort((a, b) => a - b);
  return times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;
}

function ask(request: RequestOptions, server: number): Promise<Answer> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    get({ ...request, host: '127.0.0.1' }, (response) => {
      response.resume().on('end', () =>
        resolve({
          started,
          ended: performance.now(),
          status: response.statusCode ?? 0,
          degraded: response.headers['x-ratelimit-degraded'] === 'true',
          server,
        }),
      );
    }).on('error', reject);
  });
}
