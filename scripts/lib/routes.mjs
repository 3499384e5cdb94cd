// The routes of the application and what they ask for, read from the modules without starting anything.
import 'reflect-metadata';
import { RequestMethod } from '@nestjs/common';

/** Every route of a module and of all it imports, by path and method: `{ method, path, handler, controller }`. */
export function routesOf(root) {
  const routes = [...modulesOf(root)].flatMap(controllersOf).flatMap(handlersOf);
  const unique = new Map(routes.map((route) => [`${route.path} ${route.method}`, route]));
  return [...unique.keys()].sort().map((key) => unique.get(key));
}

/** What the marks of a route say; the handler's before its controller's. */
export function markOf(name, { handler, controller }) {
  return Reflect.getMetadata(name, handler) ?? Reflect.getMetadata(name, controller);
}

function modulesOf(root, seen = new Set()) {
  if (seen.has(root)) return seen;
  seen.add(root);
  const type = root.module ?? root;
  const imports = [...(root.imports ?? []), ...(Reflect.getMetadata('imports', type) ?? [])];
  for (const each of imports) modulesOf(each, seen);
  return seen;
}

function controllersOf(module) {
  return [...(module.controllers ?? []), ...(Reflect.getMetadata('controllers', module.module ?? module) ?? [])];
}

function handlersOf(controller) {
  return Object.values(Object.getOwnPropertyDescriptors(controller.prototype))
    .map(({ value }) => value)
    .filter((value) => typeof value === 'function' && Reflect.hasMetadata('method', value))
    .flatMap((handler) =>
      pathsOf(controller).flatMap((prefix) =>
        pathsOf(handler).map((path) => ({
          method: RequestMethod[Reflect.getMetadata('method', handler)],
          path: `/${[prefix, path]
            .flatMap((part) => part.split('/'))
            .filter(Boolean)
            .join('/')}`,
          handler,
          controller,
        })),
      ),
    );
}

function pathsOf(marked) {
  return [Reflect.getMetadata('path', marked) ?? ''].flat().map(String);
}
