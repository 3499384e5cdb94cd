import type { Redis } from 'ioredis';
import type { TestDatabase } from './test-database.js';

/** Every row of every table of every schema as text, and the statements the server has in sight. */
export async function everythingInPostgres(database: TestDatabase): Promise<string> {
  const tables = await database.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables ORDER BY 1`,
  );
  const texts: string[] = [];
  for (const { name } of [...tables, { name: 'pg_stat_activity' }]) {
    const rows = await database.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    texts.push(`-- ${name}`, ...rows.map(({ row }) => row));
  }
  return texts.join('\n');
}

/** Every key of a Redis database with its value, whatever its type. */
export async function everythingInRedis(client: Redis): Promise<string> {
  const texts: string[] = [];
  for (const key of await client.keys('*')) {
    const type = await client.type(key);
    texts.push(`${key} ${type} ${JSON.stringify(await contentOf(client, key, type))}`);
  }
  return texts.join('\n');
}

function contentOf(client: Redis, key: string, type: string): Promise<unknown> {
  switch (type) {
    case 'string':
      return client.get(key);
    case 'hash':
      return client.hgetall(key);
    case 'list':
      return client.lrange(key, 0, -1);
    case 'set':
      return client.smembers(key);
    case 'zset':
      return client.zrange(key, 0, '-1', 'WITHSCORES');
    case 'stream':
      return client.xrange(key, '-', '+');
    default:
      throw new Error(`A value of type ${type} is not looked into.`);
  }
}
