import { Test, type TestingModule } from '@nestjs/testing';
import { SessionDays } from '../../src/identity/sessions/analytics/session-days.js';
import { SessionExpiry } from '../../src/identity/sessions/session-expiry.js';
import { SessionUses } from '../../src/identity/sessions/session-uses.js';
import { SessionsModule } from '../../src/identity/sessions/sessions.module.js';
import { type OpenedSession, SessionsService, type SignIn } from '../../src/identity/sessions/sessions.service.js';
import { ConfigModule } from '../../src/platform/config/config.module.js';
import type { Settings } from '../../src/platform/config/settings.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';
import { buildSettings } from './build-settings.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** Addresses of whole networks, by where the shipped file says they are. */
export const ADDRESSES = {
  DE: '2.16.132.9',
  FR: '1.179.112.9',
  GB: '81.2.69.160',
  US: '8.8.8.8',
  JP: '1.0.16.9',
  AU: '1.0.0.9',
};

/** A sign-in by hand: by default of a new device in Germany. */
export function buildSignIn(userId: string, overrides: Partial<SignIn> & Partial<SignIn['facts']> = {}): SignIn {
  const { address = ADDRESSES.DE, userAgent = null, deviceId = null, ...rest } = overrides;
  const origin = { actorType: 'anonymous', actorId: null, address, requestId: 'req-test' } as const;
  return {
    userId,
    kind: 'cookie',
    method: 'password',
    amr: ['pwd'],
    remember: false,
    facts: { address, userAgent, deviceId, origin },
    ...rest,
  };
}

/** The sessions of one replica, in which nothing happens by itself. */
export interface SessionReplica {
  readonly module: TestingModule;
  readonly sessions: SessionsService;
  readonly uses: SessionUses;
  readonly expiry: SessionExpiry;
  readonly days: SessionDays;
  /** Opens a session in a transaction of its own. */
  open(signIn: SignIn): Promise<OpenedSession>;
  run: Transactions['run'];
  get<T>(type: abstract new (...args: never[]) => T): T;
  stop(): Promise<void>;
}

/** One or two replicas on one database. */
export interface SessionLife {
  readonly database: TestDatabase;
  /** PostgreSQL's time, for all of them, as it stands from here on. */
  at(milliseconds: number): void;
  replica(settings?: Partial<Record<keyof Settings, string>>): Promise<SessionReplica>;
  stop(): Promise<void>;
}

/** Starts none yet; call it in `beforeAll`. */
export async function startSessionLife(): Promise<SessionLife> {
  jest.spyOn(PeriodicService.prototype, 'every').mockImplementation(() => undefined);
  const database = await createTestDatabase();
  const replicas: SessionReplica[] = [];
  let now: number | null = null;
  return {
    database,
    at: (milliseconds) => {
      now = milliseconds;
    },
    replica: async (settings = {}) => {
      const module = await Test.createTestingModule({
        imports: [ConfigModule.for(buildSettings({ DATABASE_URL: database.url, ...settings })), SessionsModule],
      }).compile();
      await module.init();
      const get: SessionReplica['get'] = (type) => module.get(type as never, { strict: false });
      const clock = get(DatabaseClock);
      const real = clock.now.bind(clock);
      clock.now = () => now ?? real();
      const transactions = get(Transactions);
      const sessions = get(SessionsService);
      const replica: SessionReplica = {
        module,
        sessions,
        uses: get(SessionUses),
        expiry: get(SessionExpiry),
        days: get(SessionDays),
        open: (signIn) => transactions.run((transaction) => sessions.open(signIn, transaction)),
        run: (work) => transactions.run(work),
        get,
        stop: () => module.close(),
      };
      replicas.push(replica);
      return replica;
    },
    stop: async () => {
      for (const replica of replicas) await replica.stop();
      await database.drop();
    },
  };
}
