import { AccessService } from '../../src/identity/access/access.service.js';
import { RoleGraph } from '../../src/identity/access/roles/role-graph.js';
import type { RoleGraphs } from '../../src/identity/access/roles/role-graphs.service.js';
import { Clock } from '../../src/kernel/clock.js';
import type { Countries } from '../../src/platform/geo/countries.js';
import { DatabaseClock } from '../../src/platform/replicas/database-clock.js';

interface AccessParts {
  /** What holds until somebody assigns another one. */
  graph?: RoleGraph;
  readonly clock?: Clock;
  /** Where addresses are; by default nobody knows. */
  readonly countryOf?: (address: string) => string | null;
}

/** The checks of a replica whose roles a test says; without any, scopes alone count. */
export function buildAccess(parts: AccessParts = {}): AccessService {
  const none = new RoleGraph();
  const graphs = {
    get current() {
      return parts.graph ?? none;
    },
  } as RoleGraphs;
  return new AccessService(graphs, new DatabaseClock(parts.clock ?? new Clock()), {
    of: parts.countryOf ?? (() => null),
  } as Countries);
}
