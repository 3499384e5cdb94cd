import { Client } from 'pg';

const CONNECT_TIMEOUT_MS = 2_000;

/** Runs `work` on a connection of its own, which is closed afterwards. Rejects when PostgreSQL is away. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'core-nest',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The name of PostgreSQL's account that a URL signs in as. Rejects when PostgreSQL is away or refuses it. */
export function accountOf(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>('SELECT current_user::text AS name');
    return rows[0]?.name ?? '';
  });
}
