/** What a role of the model holds, itself or through its parents. */
export const MODEL_ROLES = {
  reader: { permissions: ['clients:read'], parents: [] },
  auditor: { permissions: ['roles:read', 'audit:read'], parents: [] },
  keeper: { permissions: ['limits:read'], parents: ['reader'] },
  chief: { permissions: [], parents: ['keeper', 'auditor'] },
} as const satisfies Record<string, { permissions: readonly string[]; parents: readonly string[] }>;
export type ModelRole = keyof typeof MODEL_ROLES;
export const MODEL_ROLE_NAMES = Object.keys(MODEL_ROLES) as ModelRole[];

export interface ModelGrant {
  readonly id: string;
  readonly role: ModelRole;
  readonly effect: 'allow' | 'deny';
  /** Which of the two clients it is for; null: everything. */
  readonly client: 0 | 1 | null;
}

export interface ModelUser {
  suspended: boolean;
  readonly grants: Map<string, ModelGrant>;
  /** Sign-ins that were neither ended nor signed out. */
  readonly sessions: Set<string>;
}

/** What a request of the model asks for: a permission, for one of the clients or for a list of what there is. */
export interface ModelQuestion {
  readonly path: string;
  /** Null: only to be known. */
  readonly permission: string | null;
  readonly client: 0 | 1 | null;
  /** A list that shows as much as the caller may see. */
  readonly filtered: boolean;
}

/** What roles hold themselves now; they begin with what `MODEL_ROLES` says. */
export type ModelHoldings = Map<ModelRole, readonly string[]>;

export function initialHoldings(): ModelHoldings {
  return new Map(MODEL_ROLE_NAMES.map((name) => [name, MODEL_ROLES[name].permissions]));
}

/** Everything that a role holds, walked plainly. */
function permissionsOf(role: ModelRole, holdings: ModelHoldings): ReadonlySet<string> {
  const inherited = MODEL_ROLES[role].parents.flatMap((parent) => [...permissionsOf(parent, holdings)]);
  return new Set([...(holdings.get(role) ?? []), ...inherited]);
}

/** What a request has to be answered with. A client that is denied, or held only beside another, does not exist: 404. */
export function expectedStatus(
  user: ModelUser,
  sessionId: string,
  question: ModelQuestion,
  holdings: ModelHoldings,
): 200 | 401 | 403 | 404 {
  if (user.suspended || !user.sessions.has(sessionId)) return 401;
  const { permission, client, filtered } = question;
  if (permission === null) return 200;
  const concerned = [...user.grants.values()].filter(({ role }) => permissionsOf(role, holdings).has(permission));
  const allows = concerned.filter(({ effect }) => effect === 'allow').map((grant) => grant.client);
  const denies = concerned.filter(({ effect }) => effect === 'deny').map((grant) => grant.client);
  if (denies.includes(null)) return 403;
  if (client === null) return allows.includes(null) || (filtered && allows.length > 0) ? 200 : 403;
  if (denies.includes(client)) return 404;
  if (allows.includes(null) || allows.includes(client)) return 200;
  return allows.length > 0 ? 404 : 403;
}
