import { startApp, type TestApp } from './app.js';
import { type Answer, httpCall } from './http-call.js';
import { nextMailTo, tokenIn } from './mails.js';
import { accessTokenOf, type BuiltSession, buildSession, buildUser, type Person } from './people.js';
import { SmtpServer } from './smtp-server.js';

const RATE_LIMITS = 'general=1000000/60,query=1000000/60,login=1000000/60,key_creation=1000000/60';

interface AuditedAction {
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string | null;
  readonly outcome: string;
  readonly details: object;
}

/** The application with a mail server, and the calls that tests of people make. */
export interface PeopleApp {
  readonly core: TestApp;
  readonly smtp: SmtpServer;
  /** The key of a client that may do everything. */
  readonly adminKey: string;
  /** A request with that key, unless another credential is given. */
  call(method: string, path: string, body?: unknown, bearer?: string): Promise<Answer>;
  /** A request without a credential. */
  post(path: string, body?: unknown): Promise<Answer>;
  /** The next mail to an address, and the token in one. */
  mailTo(address: string): ReturnType<typeof nextMailTo>;
  tokenTo(address: string): Promise<string>;
  freshEmail(): string;
  /** Invites somebody; the token of their mail. */
  invite(overrides?: object): Promise<{ user: Answer['body']; token: string }>;
  signedIn(
    overrides?: Parameters<typeof buildUser>[1],
  ): Promise<{ person: Person; session: BuiltSession; token: string }>;
  /** What was recorded about a subject, oldest first. */
  audited(subjectId: string): Promise<AuditedAction[]>;
  stop(): Promise<void>;
}

export async function startPeopleApp(): Promise<PeopleApp> {
  const smtp = await SmtpServer.start();
  const core = await startApp({
    settings: { RATE_LIMITS, MAIL_URL: smtp.url, PUBLIC_URL: 'https://gateway.example.com' },
  });
  const adminKey = (await core.createClient({ scopes: ['admin'] })).apiKey;
  const call: PeopleApp['call'] = (method, path, body, bearer = adminKey) =>
    httpCall(core.url, method, path, { body, bearer });
  const mailTo = (address: string) => nextMailTo(core, smtp, address);
  const tokenTo = async (address: string) => tokenIn(await mailTo(address));
  let last = 0;
  const freshEmail = () => `person${++last}@example.com`;
  return {
    core,
    smtp,
    adminKey,
    call,
    post: (path, body) => httpCall(core.url, 'POST', path, { body }),
    mailTo,
    tokenTo,
    freshEmail,
    invite: async (overrides = {}) => {
      const email = freshEmail();
      const { status, body } = await call('POST', '/api/v1/users', { email, ...overrides });
      expect(status).toBe(201);
      return { user: body, token: await tokenTo(email) };
    },
    signedIn: async (overrides = {}) => {
      const person = await buildUser(core.database, overrides);
      const session = await buildSession(core.database, person.id);
      return { person, session, token: await accessTokenOf(core, session) };
    },
    audited: (subjectId) =>
      core.database.query(
        'SELECT action, actor_type, actor_id, details, outcome FROM audit_logs WHERE subject_id = $1 ORDER BY id',
        [subjectId],
      ),
    stop: async () => {
      await core.stop();
      await smtp.stop();
    },
  };
}
