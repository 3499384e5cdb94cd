import { Command, type Redis } from 'ioredis';

/** Sends a command to a node of a Cluster that is only taking the key's slot over. Rejects with what ioredis rejects with. */
export function sendAsking(client: Redis, command: Command): Promise<unknown> {
  // The node forgets ASKING with the next command, whatever becomes of that: nothing may come between.
  const asked = client.sendCommand(new Command('asking', [])) as Promise<unknown>;
  const answer = client.sendCommand(command) as Promise<unknown>;
  return asked.then(
    () => answer,
    (error: unknown) => {
      answer.catch(() => undefined);
      throw error;
    },
  );
}
