import { Injectable } from '@nestjs/common';
import type { AuthState } from '../../kernel/auth-state.js';
import { ModelNotAllowedError } from '../../kernel/provider-errors.js';
import { ModelResolver, type ResolvedModel } from './model-resolver.js';

/** A client's list of models, made ready for being asked. */
interface AllowedModels {
  /** Entries as they stand, which an alias has to equal. */
  readonly asWritten: ReadonlySet<string>;
  /** What the entries stand for, aliases left out: they may stand for something else tomorrow. */
  readonly resolved: ReadonlySet<string>;
  /** Providers of which every model is allowed. */
  readonly providers: ReadonlySet<string>;
}

const WILDCARD = '/*';

/**
 * Which models a client may use, after its lists. A request is for one model by two names: the one the caller wrote and
 * the one it resolves to; a list that holds either lets it through, and the provider's own list has to as well.
 */
@Injectable()
export class ModelAccess {
  /** By the very list: one is shared by all requests that a remembered credential answers. */
  readonly #compiled = new WeakMap<readonly string[], AllowedModels>();

  constructor(private readonly resolver: ModelResolver) {}

  /** @param asked the name as the caller wrote it. @throws ModelNotAllowedError */
  assertAllowed(state: AuthState, asked: string, model: ResolvedModel): void {
    if (!this.allows(state, asked, model)) throw new ModelNotAllowedError();
  }

  /** Whether this caller may use the model by that name. A bare provider token has no lists. */
  allows(state: AuthState, asked: string, { provider, name }: ResolvedModel): boolean {
    if (state.kind !== 'client') return true;
    const { allowedModels, allowedProviders } = state;
    if (allowedProviders !== null && !allowedProviders.includes(provider.name)) return false;
    if (allowedModels === null) return true;
    const { asWritten, resolved, providers } = this.#compile(allowedModels);
    return asWritten.has(asked) || resolved.has(name) || providers.has(provider.name);
  }

  #compile(list: readonly string[]): AllowedModels {
    let compiled = this.#compiled.get(list);
    if (compiled === undefined) {
      const wildcards = list.filter((entry) => entry.endsWith(WILDCARD));
      compiled = {
        asWritten: new Set(list),
        resolved: new Set(list.flatMap((entry) => this.#standsFor(entry))),
        providers: new Set(wildcards.map((entry) => entry.slice(0, -WILDCARD.length))),
      };
      this.#compiled.set(list, compiled);
    }
    return compiled;
  }

  #standsFor(entry: string): string | [] {
    if (this.resolver.aliases.has(entry) || !this.resolver.knows(entry)) return [];
    return this.resolver.resolve(entry).name;
  }
}
