import fc from 'fast-check';
import { startApp, type TestApp } from '../support/app.js';
import type { InsertedClient } from '../support/insert-client.js';
import { buildUser, PASSWORD, type Person } from '../support/people.js';
import {
  expectedStatus,
  initialHoldings,
  MODEL_ROLE_NAMES,
  MODEL_ROLES,
  type ModelGrant,
  type ModelHoldings,
  type ModelQuestion,
  type ModelRole,
  type ModelUser,
} from '../support/people-model.js';

const RUNS = 12;
const STEPS = 40;
const USERS = 2;

let first: TestApp;
let replicas: readonly TestApp[];
let admin: InsertedClient;
let clients: readonly [InsertedClient, InsertedClient];
let questions: readonly ModelQuestion[];
const roleIds = new Map<ModelRole, string>();

beforeAll(async () => {
  first = await startApp({
    settings: { RATE_LIMITS: 'general.paid=1000000/3600,login=1000000/60', SESSIONS_PER_USER: '100' },
  });
  replicas = [first, await first.replica()];
  admin = await first.createClient({ scopes: ['admin'] });
  clients = [await first.createClient(), await first.createClient()];
  questions = [
    { path: '/whoami', permission: null, client: null, filtered: false },
    { path: '/clients', permission: 'clients:read', client: null, filtered: true },
    ...([0, 1] as const).map((client) => ({
      path: `/clients/${clients[client].clientId}`,
      permission: 'clients:read',
      client,
      filtered: false,
    })),
    { path: '/roles', permission: 'roles:read', client: null, filtered: false },
    { path: '/audit-logs', permission: 'audit:read', client: null, filtered: false },
    { path: '/rate-limits', permission: 'limits:read', client: null, filtered: false },
  ];
  for (const name of MODEL_ROLE_NAMES) {
    const { permissions, parents } = MODEL_ROLES[name];
    const body = { name: `model-${name}`, permissions, parents: parents.map((parent) => roleIds.get(parent)) };
    const made = await ask(first, 'POST', '/roles', { key: admin.apiKey, body });
    expect(made.status).toBe(201);
    roleIds.set(name, String(made.body.id ?? made.body.role_id));
  }
});
afterAll(async () => {
  await replicas?.[1]?.stop();
  await first?.stop();
});

interface Asking {
  readonly key?: string;
  readonly body?: object;
}

async function ask(app: TestApp, method: string, path: string, { key, body }: Asking) {
  const response = await fetch(`${app.url}/api/v1${path}`, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
}

/** A person of the server's, and what the model knows of it. */
interface Actor extends ModelUser {
  readonly person: Person;
  readonly tokens: { readonly sessionId: string; readonly token: string }[];
}

interface Step {
  readonly act: 'edit' | 'login' | 'logout' | 'endAll' | 'grant' | 'revoke' | 'suspend' | 'restore' | 'ask';
  readonly user: number;
  readonly replica: number;
  /** Chooses among what there is: a role, a grant, a token, a question. */
  readonly pick: number;
  readonly effect: 'allow' | 'deny';
  readonly client: 0 | 1 | null;
}

const STEP: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom(
    'edit',
    'login',
    'login',
    'logout',
    'endAll',
    'grant',
    'grant',
    'grant',
    'revoke',
    'suspend',
    'restore',
    'ask',
    'ask',
    'ask',
    'ask',
  ),
  user: fc.nat(USERS - 1),
  replica: fc.nat(1),
  pick: fc.nat(1_000),
  effect: fc.constantFrom('allow', 'allow', 'deny'),
  client: fc.constantFrom(null, null, 0, 1),
});

async function setPermissions(
  app: TestApp,
  role: ModelRole,
  permissions: readonly string[],
  holdings: ModelHoldings,
): Promise<void> {
  const { status } = await ask(app, 'PATCH', `/roles/${roleIds.get(role)}`, {
    key: admin.apiKey,
    body: { permissions },
  });
  expect(status).toBe(200);
  holdings.set(role, permissions);
}

/** Does one step at the server and in the model; what would not change anything is left out. */
async function take(actor: Actor, step: Step, holdings: ModelHoldings): Promise<void> {
  const app = replicas[step.replica] as TestApp;
  const path = `/users/${actor.person.id}`;
  const asAdmin = (method: string, rest: string, body?: object) =>
    ask(app, method, `${path}${rest}`, { key: admin.apiKey, ...(body && { body }) });
  const picked = <T>(items: readonly T[]): T | undefined => items[step.pick % Math.max(1, items.length)];
  switch (step.act) {
    case 'login': {
      if (actor.suspended) return;
      const answer = await ask(app, 'POST', '/auth/login', { body: { email: actor.person.email, password: PASSWORD } });
      expect(answer.status).toBe(200);
      const sessionId = String(answer.body.session_id);
      actor.sessions.add(sessionId);
      actor.tokens.push({ sessionId, token: String(answer.body.access_token) });
      return;
    }
    case 'logout': {
      const signedIn = picked(actor.tokens);
      if (signedIn === undefined || actor.suspended || !actor.sessions.has(signedIn.sessionId)) return;
      expect((await ask(app, 'POST', '/auth/logout', { key: signedIn.token })).status).toBe(204);
      actor.sessions.delete(signedIn.sessionId);
      return;
    }
    case 'endAll':
      expect((await asAdmin('DELETE', '/sessions')).status).toBe(204);
      actor.sessions.clear();
      return;
    case 'grant': {
      const role = MODEL_ROLE_NAMES[step.pick % MODEL_ROLE_NAMES.length] as ModelRole;
      const scope = step.client === null ? { type: 'all' } : { type: 'client', id: clients[step.client].clientId };
      const made = await asAdmin('POST', '/grants', { role_id: roleIds.get(role), effect: step.effect, scope });
      expect(made.status).toBe(201);
      const id = String(made.body.id ?? made.body.grant_id);
      actor.grants.set(id, { id, role, effect: step.effect, client: step.client } satisfies ModelGrant);
      return;
    }
    case 'revoke': {
      const grant = picked([...actor.grants.keys()]);
      if (grant === undefined) return;
      expect((await asAdmin('DELETE', `/grants/${grant}`)).status).toBe(204);
      actor.grants.delete(grant);
      return;
    }
    case 'suspend':
    case 'restore': {
      const suspended = step.act === 'suspend';
      if (suspended === actor.suspended) return;
      expect((await asAdmin('PATCH', '', { status: suspended ? 'suspended' : 'active' })).status).toBe(200);
      actor.suspended = suspended;
      if (suspended) actor.sessions.clear();
      return;
    }
    case 'edit': {
      const role = MODEL_ROLE_NAMES[step.pick % MODEL_ROLE_NAMES.length] as ModelRole;
      await setPermissions(app, role, step.effect === 'allow' ? MODEL_ROLES[role].permissions : [], holdings);
      return;
    }
    case 'ask': {
      const signedIn = picked(actor.tokens);
      const question = picked(questions) as ModelQuestion;
      if (signedIn === undefined) return;
      const { status } = await ask(app, 'GET', question.path, { key: signedIn.token });
      expect({ question, status }).toEqual({
        question,
        status: expectedStatus(actor, signedIn.sessionId, question, holdings),
      });
    }
  }
}

it('the server answers as a plain model does, whatever is granted, revoked, signed in and asked, on either replica', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: STEPS / 2, maxLength: STEPS }), async (steps) => {
      const people = await Promise.all(Array.from({ length: USERS }, () => buildUser(first.database)));
      const actors = people.map(
        (person): Actor => ({
          person,
          suspended: false,
          grants: new Map(),
          sessions: new Set(),
          tokens: [],
        }),
      );
      const holdings = initialHoldings();
      for (const name of MODEL_ROLE_NAMES) await setPermissions(first, name, MODEL_ROLES[name].permissions, holdings);
      for (const step of steps) await take(actors[step.user] as Actor, step, holdings);
      // Whatever happened on the way, every token ever given is asked about everything, everywhere.
      for (const actor of actors)
        for (const { sessionId, token } of actor.tokens)
          for (const app of replicas)
            for (const question of questions) {
              const { status } = await ask(app, 'GET', question.path, { key: token });
              expect({ question, status }).toEqual({
                question,
                status: expectedStatus(actor, sessionId, question, holdings),
              });
            }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
}, 120_000);
