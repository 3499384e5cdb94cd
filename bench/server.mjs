// One server under test, on the server's core, ended with this process however that one ends.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { built } from './built.mjs';
import { cpuSeconds, onCore, ROOT, residentBytes, SERVER_CORE } from './machine.mjs';

const NODE = join(ROOT, 'node_modules/.bin/node');
const READY_MS = 30_000;
const POLL_MS = 50;

/** A Node program that listens on `PORT`. */
export class Server {
  #process;

  constructor(name, port, logFile, process_) {
    this.name = name;
    this.origin = `http://127.0.0.1:${port}`;
    this.port = port;
    this.logFile = logFile;
    this.#process = process_;
  }

  /**
   * Starts it and waits until `readyPath` answers 200.
   *
   * @throws Error with the server's last words when it does not come up.
   */
  static async start({ name, words, env = {}, readyPath, directory, core = SERVER_CORE }) {
    const { freePort } = await built('platform/database/free-port.js');
    const { GuardedProcess } = await built('platform/database/guarded-process.js');
    const port = await freePort();
    const logFile = join(directory, `${name}.log`);
    const log = openSync(logFile, 'w');
    const guarded = await GuardedProcess.start({
      command: onCore(core, [NODE, ...words.map((word) => word.replaceAll('{port}', String(port)))]),
      stopSignal: 'TERM',
      output: log,
      // Nothing of the operator's environment reaches what is measured.
      env: { PATH: process.env.PATH, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...env },
    });
    closeSync(log);
    const server = new Server(name, port, logFile, guarded);
    if (await server.#answers(readyPath)) return server;
    await guarded.stop();
    throw new Error(`${name} did not start:\n${readFileSync(logFile, 'utf8').slice(-2_000)}`);
  }

  /** Seconds of CPU used since it started. */
  get cpuSeconds() {
    return cpuSeconds(this.#process.pid);
  }

  /** Bytes of memory it holds. */
  get residentBytes() {
    return residentBytes(this.#process.pid);
  }

  signal(name) {
    this.#process.signal(name);
  }

  async stop() {
    await this.#process.stop();
  }

  async #answers(path) {
    for (const deadline = Date.now() + READY_MS; Date.now() < deadline && this.#process.running; ) {
      const status = await fetch(`${this.origin}${path}`).then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        () => 0,
      );
      if (status === 200) return true;
      await pause(POLL_MS);
    }
    return false;
  }
}
