import type { LoggerService } from '@nestjs/common';
import { type LogLevel, log } from './log.js';
import { framesOf, logError } from './log-error.js';

const MAX_MESSAGE = 500;
/** Nest's own start-up chatter, one line a route: of use only when hunting a fault. */
const CHATTER: ReadonlySet<string> = new Set(['InstanceLoader', 'NestFactory', 'RouterExplorer', 'RoutesResolver']);

/** Nest's `Logger` on top of ours. Objects are never written: of an error its name, code and frames, of others nothing. */
export class NestLogger implements LoggerService {
  log(message: unknown, ...rest: unknown[]): void {
    const context = contextOf(rest);
    this.#write(context !== undefined && CHATTER.has(context) ? 'debug' : 'info', message, context);
  }

  error(message: unknown, ...rest: unknown[]): void {
    const stack = rest.length > 1 && typeof rest[0] === 'string' ? rest[0] : undefined;
    this.#write('error', message, contextOf(rest), stack);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, contextOf(rest));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, contextOf(rest));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, contextOf(rest));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, contextOf(rest));
  }

  #write(level: LogLevel, message: unknown, context: string | undefined, stack?: string): void {
    if (message instanceof Error) logError(message, { context, level });
    else if (typeof message === 'string')
      log(level, message.slice(0, MAX_MESSAGE), { context, frames: stack === undefined ? undefined : framesOf(stack) });
    else log(level, 'a message that is not text was left out', { context });
  }
}

function contextOf(rest: readonly unknown[]): string | undefined {
  const last = rest.at(-1);
  return typeof last === 'string' && last.length <= 100 && !last.includes('\n') ? last : undefined;
}
