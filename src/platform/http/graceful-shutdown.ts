import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { log } from '../logging/log.js';
import { logError } from '../logging/log-error.js';
import { EdgeAdapter } from './edge-adapter.js';

const LOOK_MS = 25;

export interface ShutdownOptions {
  /** Seconds that accepted requests may take to finish. */
  readonly graceSeconds: number;
  /** Called first: from now on the process says that it is not ready. */
  readonly onDrain: () => void;
  /** Ends the process; replaced in tests. */
  readonly exit?: (code: number) => void;
}

/**
 * Stops serving: accepts no connection any more, lets accepted requests and streams finish within the grace, breaks off
 * the rest, then lets the rooms flush (`beforeApplicationShutdown`, `onApplicationShutdown`). Resolves to the number of
 * requests that were broken off.
 */
export async function drain(
  app: NestFastifyApplication,
  { graceSeconds, onDrain }: Omit<ShutdownOptions, 'exit'>,
): Promise<number> {
  const { edge } = app.getHttpAdapter() as unknown as EdgeAdapter;
  const server = app.getHttpServer();
  onDrain();
  edge.drain();
  if (server.listening) server.close();
  const deadline = performance.now() + graceSeconds * 1000;
  while (edge.open.size > 0 && performance.now() < deadline) {
    server.closeIdleConnections();
    await sleep(LOOK_MS);
  }
  const brokenOff = edge.open.size;
  server.closeAllConnections();
  await app.close();
  return brokenOff;
}

/**
 * Ends the process on SIGTERM or SIGINT: drains and exits 0. A second signal ends it at once (1), and so does a fault
 * nobody caught, since nothing can be promised after it.
 */
export function exitOnSignals(app: NestFastifyApplication, options: ShutdownOptions): void {
  const exit = options.exit ?? ((code: number) => process.exit(code));
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) return exit(1);
    stopping = true;
    const started = performance.now();
    log('info', 'stopping', { signal });
    drain(app, options).then(
      (count) => {
        log('info', 'stopped', { count, duration_ms: Math.round(performance.now() - started) });
        exit(0);
      },
      (error: unknown) => {
        logError(error, { context: 'shutdown' });
        exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const onFault = (error: unknown) => {
    logError(error, { context: 'process', level: 'fatal' });
    exit(1);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
}
