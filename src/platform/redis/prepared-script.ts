import { createHash } from 'node:crypto';
import { Command, type Redis } from 'ioredis';
import { sendAsking } from './asking.js';

const TEXT = { replyEncoding: 'utf8' } as const;

/**
 * A script that Redis is asked for by its digest. ioredis' own way to do that (`defineCommand`) costs the hot path a
 * twentieth of its CPU more. A Redis that does not know the script, one that was restarted or flushed, is sent it whole.
 */
export class PreparedScript {
  readonly #digest: string;

  /** @param keys how many of a call's arguments, from the first, are keys. */
  constructor(
    private readonly lua: string,
    private readonly keys: number,
  ) {
    // SHA-1 is how Redis names scripts; nothing is secured by it.
    this.#digest = createHash('sha1').update(lua).digest('hex');
  }

  /** Runs it. Rejects with what ioredis rejects with. */
  call(client: Redis, args: readonly (string | number)[]): Promise<unknown> {
    return this.#byDigest(client, args).catch((error: unknown) => {
      if (!isUnknown(error)) throw error;
      return client.sendCommand(this.#wholeCommand(args)) as Promise<unknown>;
    });
  }

  /** Runs it on a node of a Cluster that is only taking the keys' slot over. Rejects as `call` does. */
  callAsking(client: Redis, args: readonly (string | number)[]): Promise<unknown> {
    return sendAsking(client, this.#wholeCommand(args));
  }

  #byDigest(client: Redis, args: readonly (string | number)[]): Promise<unknown> {
    return client.sendCommand(new Command('evalsha', [this.#digest, this.keys, ...args], TEXT)) as Promise<unknown>;
  }

  #wholeCommand(args: readonly (string | number)[]): Command {
    return new Command('eval', [this.lua, this.keys, ...args], TEXT);
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
