import { type LogLevel, log } from './log.js';

const FRAME = /^ {4}at (?:async )?[\w.<>$#[\] ]*\(?(?:file:\/\/|node:|\/|<anonymous>)[^\s()]*\)?$/;
const CODE = /^[A-Za-z0-9_]{1,64}$/;
const NAME = /^[A-Za-z0-9_$]{1,64}$/;
const MAX_FRAMES = 12;

/** The frames of a stack, without the message it begins with: a message may quote what a caller sent. */
export function framesOf(stack: string | undefined, message = ''): string[] {
  if (stack === undefined) return [];
  const from = message === '' ? -1 : stack.indexOf(message);
  return (from === -1 ? stack : stack.slice(from + message.length))
    .split('\n')
    .filter((line) => FRAME.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim().slice(3));
}

/**
 * Logs that something failed: its class name, its code, the frames of its stack, and the request id. Never its message
 * or any other property: drivers keep statements, parameters and bodies there.
 */
export function logError(
  error: unknown,
  about: { requestId?: string | undefined; context?: string | undefined; level?: LogLevel } = {},
): void {
  const failure = error instanceof Error ? error : null;
  const code = failure !== null && 'code' in failure && typeof failure.code === 'string' ? failure.code : '';
  log(about.level ?? 'error', 'unexpected failure', {
    context: about.context,
    request_id: about.requestId,
    error: failure !== null && NAME.test(failure.name) ? failure.name : typeof error,
    code: CODE.test(code) ? code : undefined,
    frames: framesOf(failure?.stack, failure?.message),
  });
}
