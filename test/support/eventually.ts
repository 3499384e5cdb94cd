import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is true; fails after `withinMs`. For what another process does in its own time. */
export async function eventually(ask: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`Still not so after ${withinMs} ms: ${ask}`);
    await delay(10);
  }
}
