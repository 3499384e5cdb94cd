import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { startApp, type TestApp } from './app.js';

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;

/** A row of `client_secrets`, as far as tests look at it. */
export interface SecretRow {
  readonly id: string;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
  readonly last_used_address: string | null;
}

interface Rotated {
  readonly id: string;
  readonly api_key: string;
  readonly previous: readonly { readonly id: string; readonly expires_at: string }[];
}

/** Two replicas in which nothing happens by itself: each piece of periodic work is done by the test. */
export interface SecretLife {
  readonly core: TestApp;
  readonly other: TestApp;
  /** The one of this class in a replica, by default the first. */
  get<T>(type: abstract new (...args: never[]) => T, app?: TestApp): T;
  /** PostgreSQL's time, for both, as it stands from here on. */
  at(milliseconds: number): void;
  secretsOf(clientId: string): Promise<SecretRow[]>;
  /** What the audit log says of a client or a secret, oldest first. */
  eventsOf(subjectId: string): Promise<{ action: string; actor_type: string; details: object }[]>;
  rotate(clientId: string, body: object): Promise<Rotated>;
  statusOf(apiKey: string, app?: TestApp): Promise<number>;
  stop(): Promise<void>;
}

/** Starts them; call it in `beforeAll`. */
export async function startSecretLife(): Promise<SecretLife> {
  jest.spyOn(PeriodicService.prototype, 'every').mockImplementation(() => undefined);
  const core = await startApp({ redis: null });
  const other = await core.replica();
  const admin = await core.createClient({ scopes: ['admin'] });
  const get: SecretLife['get'] = (type, app = core) => app.app.get(type as never, { strict: false });
  return {
    core,
    other,
    get,
    at: (milliseconds) => {
      for (const app of [core, other]) jest.spyOn(get(DatabaseClock, app), 'now').mockReturnValue(milliseconds);
    },
    secretsOf: (clientId) =>
      core.database.query('SELECT * FROM client_secrets WHERE client_id = $1 ORDER BY created_at, id', [clientId]),
    eventsOf: (subjectId) =>
      core.database.query('SELECT action, actor_type, details FROM audit_logs WHERE subject_id = $1 ORDER BY id', [
        subjectId,
      ]),
    rotate: async (clientId, body) => {
      const response = await fetch(`${core.url}/api/v1/clients/${clientId}/secrets`, {
        method: 'POST',
        headers: { 'x-api-key': admin.apiKey, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(201);
      return (await response.json()) as Rotated;
    },
    statusOf: async (apiKey, app = core) => {
      const response = await fetch(`${app.url}/api/v1/whoami`, { headers: { 'x-api-key': apiKey } });
      await response.arrayBuffer();
      return response.status;
    },
    stop: async () => {
      await other.stop();
      await core.stop();
    },
  };
}
