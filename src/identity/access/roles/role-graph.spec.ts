import { RoleCycleError } from '../../../kernel/identity-errors.js';
import { RoleGraph, type RoleNode } from './role-graph.js';
import { assertShape, MAX_DEPTH, MAX_FAN_OUT } from './role-shape.js';

const role = (id: string, permissions: string[] = [], ...parents: string[]): RoleNode => ({
  id,
  name: `name of ${id}`,
  builtin: false,
  permissions,
  parents,
});

/** a inherits from b and c, b from d, c from d. */
const DIAMOND = new RoleGraph([
  role('a', ['a:read'], 'b', 'c'),
  role('b', ['b:read'], 'd'),
  role('c', ['clients:admin'], 'd'),
  role('d', ['d:read']),
]);

describe('RoleGraph', () => {
  it('gives a role what it has and what it inherits', () => {
    expect([...DIAMOND.permissionsOf('a')].sort()).toEqual(['a:read', 'b:read', 'clients:admin', 'd:read']);
    expect([...DIAMOND.permissionsOf('b')]).toEqual(['b:read', 'd:read']);
    expect(DIAMOND.permissionsOf('a')).toBe(DIAMOND.permissionsOf('a'));
    expect(DIAMOND.permissionsOf('nobody').size).toBe(0);
  });

  it('tells who is above and below', () => {
    expect(DIAMOND.ancestorsOf('a')).toEqual(['a', 'b', 'c', 'd']);
    expect(DIAMOND.descendantsOf('d')).toEqual(['d', 'b', 'c', 'a']);
    expect(DIAMOND.childrenOf('a')).toEqual([]);
    expect(DIAMOND.holdersOf('clients:read')).toEqual(['a', 'c']);
  });

  it('finds the shortest way to a permission, by whatever holds it', () => {
    expect(DIAMOND.pathTo('a', 'd:read')).toEqual(['a', 'b', 'd']);
    expect(DIAMOND.pathTo('a', 'clients:delete')).toEqual(['a', 'c']);
    expect(DIAMOND.pathTo('a', 'a:read')).toEqual(['a']);
    expect(DIAMOND.pathTo('d', 'a:read')).toBeNull();
    expect(DIAMOND.pathTo('nobody', 'a:read')).toBeNull();
  });

  it('knows the permissions that are built in, those that were made, and admin', () => {
    const graph = new RoleGraph([], ['reports:read']);
    expect(['admin', 'clients:read', 'reports:read', 'reports:write'].map((name) => graph.isKnown(name))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('gives each role of a cycle what they all hold, and ends', () => {
    const cycle = new RoleGraph([role('x', ['x:read'], 'y'), role('y', ['y:read'], 'z'), role('z', ['z:read'], 'x')]);
    for (const id of ['x', 'y', 'z'])
      expect([...cycle.permissionsOf(id)].sort()).toEqual(['x:read', 'y:read', 'z:read']);
    expect(cycle.pathTo('x', 'z:read')).toEqual(['x', 'y', 'z']);
  });

  it('passes over a parent that is not there', () => {
    expect([...new RoleGraph([role('a', ['a:read'], 'gone')]).permissionsOf('a')]).toEqual(['a:read']);
  });

  it('makes another graph of a change', () => {
    const changed = DIAMOND.with(role('d', ['new:read']));
    expect([...changed.permissionsOf('b')]).toEqual(['b:read', 'new:read']);
    expect([...DIAMOND.permissionsOf('b')]).toEqual(['b:read', 'd:read']);
  });
});

describe('the shape of roles', () => {
  it('refuses a way round, by whatever length, and names it', () => {
    const toItself = DIAMOND.with(role('d', [], 'd'));
    expect(() => assertShape(toItself, 'd')).toThrow(
      new RoleCycleError('The role "name of d" cannot inherit from itself.'),
    );
    const round = DIAMOND.with(role('d', [], 'a'));
    expect(() => assertShape(round, 'd')).toThrow(
      new RoleCycleError('The role "name of d" cannot inherit from "name of a", which inherits from it.'),
    );
  });

  it('refuses a parent that is not there', () => {
    expect(() => assertShape(DIAMOND.with(role('e', [], 'gone')), 'e')).toThrow(
      'body.parents: names a role that does not exist',
    );
  });

  const chain = (length: number) =>
    Array.from({ length }, (_, index) => role(`n${index}`, [], ...(index === 0 ? [] : [`n${index - 1}`])));

  it(`takes ${MAX_DEPTH} in a row and no more, wherever the one stands that makes it longer`, () => {
    expect(() => assertShape(new RoleGraph(chain(MAX_DEPTH)), `n${MAX_DEPTH - 1}`)).not.toThrow();
    const longer = new RoleGraph(chain(MAX_DEPTH + 1));
    for (const id of ['n0', 'n8', `n${MAX_DEPTH}`])
      expect(() => assertShape(longer, id)).toThrow(
        `would make a chain of ${MAX_DEPTH + 1} roles, and ${MAX_DEPTH} is the most`,
      );
  });

  it(`takes ${MAX_FAN_OUT} parents and ${MAX_FAN_OUT} children and no more`, () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => role(`p${index}`));
    const parents = many(MAX_FAN_OUT + 1);
    const ids = parents.map(({ id }) => id);
    const heir = (count: number) => new RoleGraph([...parents, role('heir', [], ...ids.slice(0, count))]);
    expect(() => assertShape(heir(MAX_FAN_OUT), 'heir')).not.toThrow();
    expect(() => assertShape(heir(MAX_FAN_OUT + 1), 'heir')).toThrow('must name at most 64 roles');
    const children = (count: number) =>
      new RoleGraph([role('one'), ...ids.slice(0, count).map((id) => role(id, [], 'one'))]);
    expect(() => assertShape(children(MAX_FAN_OUT), 'p0')).not.toThrow();
    expect(() => assertShape(children(MAX_FAN_OUT + 1), 'p0')).toThrow(
      'names "name of one", from which 64 roles inherit already',
    );
  });

  it('is found in no time among many ways', () => {
    const layers = Array.from({ length: 15 }, (_, layer) =>
      Array.from({ length: 60 }, (__, index) =>
        role(
          `l${layer}.${index}`,
          [],
          ...(layer === 0 ? [] : Array.from({ length: 60 }, (___, each) => `l${layer - 1}.${each}`)),
        ),
      ),
    ).flat();
    const before = performance.now();
    assertShape(new RoleGraph(layers), 'l14.0');
    expect(performance.now() - before).toBeLessThan(1_000);
  });
});
