// Checks of what a user may do: with a role and a grant, and with very many of both.
import { built } from './built.mjs';

const ROLES = 1_000;
const GRANTS = 10_000;
const PARENTS = 3;

const { RoleGraph } = await built('identity/access/roles/role-graph.js');
const { PrincipalCheck } = await built('identity/access/check/principal-check.js');

const USER = {
  kind: 'user',
  method: 'jwt',
  userId: 'usr_bench',
  scopes: null,
  authenticatedAt: Date.UTC(2026, 0, 1, 11),
  amr: ['pwd'],
  mfa: false,
};

/** Names of checks, and how to make one: `run(index)` decides on some object. */
export const ACCESS_CHECKS = [
  ['access check, 1 role, 1 grant', checkOf(1, 1)],
  ['access check, 1,000 roles in a DAG, 10,000 grants', checkOf(ROLES, GRANTS)],
];

/** Each role inherits from up to three before it; each grant is for one client, every second one by network and age. */
function checkOf(roles, grants) {
  const nodes = Array.from({ length: roles }, (_, index) => ({
    id: `rol_${index}`,
    name: `role-${index}`,
    builtin: false,
    permissions: ['clients:read', 'logs:read', 'llm:invoke'].slice(index % 3),
    parents: Array.from({ length: Math.min(PARENTS, index) }, (_each, step) => `rol_${(index - 1) >> (step + 1)}`),
  }));
  const graph = new RoleGraph(nodes.map((node) => ({ ...node, parents: [...new Set(node.parents)] })));
  const check = new PrincipalCheck(() => graph);
  const state = { ...USER, grants: Object.freeze(Array.from({ length: grants }, (_, index) => grantOf(index, roles))) };
  const context = (index) => ({
    address: '203.0.113.7',
    country: null,
    now: Date.UTC(2026, 0, 1, 12),
    objects: [{ type: 'clients', id: `cn_live_${index % grants}` }],
  });
  return (index) => check.decide(state, 'clients:read', context(index));
}

function grantOf(index, roles) {
  return {
    id: `grt_${index}`,
    roleId: `rol_${index % roles}`,
    effect: index % 100 === 99 ? 'deny' : 'allow',
    scope: { type: 'client', id: `cn_live_${index}` },
    conditions: index % 2 === 0 ? null : { cidr: ['203.0.113.0/24'], max_auth_age_seconds: 86_400 },
    expiresAt: null,
  };
}
