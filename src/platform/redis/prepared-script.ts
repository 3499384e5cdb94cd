import { createHash } from 'node:crypto';
import { Command, type Redis } from 'ioredis';

type ScriptCall = (...args: readonly (string | number)[]) => Promise<unknown>;

/**
 * A script that Redis is asked for by its digest. ioredis' own way to do that (`defineCommand`) costs the hot path a
 * twentieth of its CPU more, and is kept for a Redis that does not know the script: one that was restarted or flushed.
 */
export class PreparedScript {
  readonly #digest: string;

  /** @param keys how many of a call's arguments, from the first, are keys. */
  constructor(
    private readonly client: Redis,
    private readonly name: string,
    lua: string,
    private readonly keys: number,
  ) {
    // SHA-1 is how Redis names scripts; nothing is secured by it.
    this.#digest = createHash('sha1').update(lua).digest('hex');
    client.defineCommand(name, { lua, numberOfKeys: keys });
  }

  /** Runs it. Rejects with what ioredis rejects with. */
  call(args: readonly (string | number)[]): Promise<unknown> {
    const command = new Command('evalsha', [this.#digest, this.keys, ...args], { replyEncoding: 'utf8' });
    const answer = this.client.sendCommand(command) as Promise<unknown>;
    return answer.catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      const byName = this.client as unknown as Record<string, ScriptCall>;
      return (byName[this.name] as ScriptCall).apply(this.client, [...args]);
    });
  }
}
