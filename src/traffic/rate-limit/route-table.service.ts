import { Injectable, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer } from '@nestjs/core';
import { PUBLIC_MARK, type RateClass } from '../../kernel/handler-marks.js';
import { type Marked, RateClassMarks } from './rate-class-marks.js';

/** A route as the router knows it, and the classes its requests are counted in. */
export interface KnownRoute {
  readonly method: string;
  /** With `:name` for a segment and `*` for the rest. */
  readonly template: string;
  /** None on a route that needs no credential, or counts nothing. */
  readonly classes: readonly RateClass[];
}

/** Which classes the requests of a route are counted in, read from the handlers' marks, as the guard reads them. */
@Injectable()
export class RouteTable {
  readonly #marks = new RateClassMarks();
  #routes: readonly (KnownRoute & { readonly pattern: RegExp })[] | null = null;

  constructor(private readonly modules: ModulesContainer) {}

  /**
   * The route of a method and a path, or a template, without a query; null when there is none. Among several the most
   * literal one, as the router takes it.
   */
  find(method: string, path: string): KnownRoute | null {
    this.#routes ??= this.#read();
    const upper = method.toUpperCase() === 'HEAD' ? 'GET' : method.toUpperCase();
    return (
      this.#routes.find((route) => route.method === upper && route.template === path) ??
      this.#routes.find((route) => route.method === upper && route.pattern.test(path)) ??
      null
    );
  }

  #read(): (KnownRoute & { readonly pattern: RegExp })[] {
    const routes: (KnownRoute & { readonly pattern: RegExp })[] = [];
    for (const module of this.modules.values())
      for (const { metatype } of module.controllers.values())
        if (typeof metatype === 'function') routes.push(...this.#routesOf(metatype));
    return routes.sort((a, b) => literalness(b.template) - literalness(a.template));
  }

  #routesOf(controller: Marked): (KnownRoute & { readonly pattern: RegExp })[] {
    const prefixes = pathsOf(controller);
    const members: unknown[] = Object.values(Object.getOwnPropertyDescriptors(controller.prototype)).map(
      ({ value }) => value,
    );
    return members.filter(isHandler).flatMap((handler) => {
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number] ?? '';
      const isPublic = Reflect.getMetadata(PUBLIC_MARK, handler) ?? Reflect.getMetadata(PUBLIC_MARK, controller);
      const classes = isPublic === true ? [] : this.#marks.of(handler, controller);
      return prefixes.flatMap((prefix) =>
        pathsOf(handler).map((path) => {
          const template = `/${[prefix, path]
            .flatMap((part) => part.split('/'))
            .filter(Boolean)
            .join('/')}`;
          return { method, template, classes, pattern: patternOf(template) };
        }),
      );
    });
  }
}

function isHandler(member: unknown): member is Marked {
  return typeof member === 'function' && Reflect.hasMetadata(METHOD_METADATA, member);
}

function pathsOf(marked: Marked): string[] {
  const paths: unknown = Reflect.getMetadata(PATH_METADATA, marked) ?? '';
  return [paths].flat().map(String);
}

function patternOf(template: string): RegExp {
  const source = template
    .split('/')
    .map((segment) => {
      if (segment === '*') return '.+';
      return segment.startsWith(':') ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('/');
  return new RegExp(`^${source}$`);
}

/** Literal segments count most, then named ones, then a wildcard; earlier ones before later ones. */
function literalness(template: string): number {
  return template
    .split('/')
    .slice(1, 10)
    .reduce((sum, segment, index) => {
      const worth = segment === '*' ? 1 : segment.startsWith(':') ? 2 : 3;
      return sum + worth * 4 ** (10 - index);
    }, 0);
}
