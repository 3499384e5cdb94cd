import { Inject, Injectable } from '@nestjs/common';
import { ModelNotFoundError } from '../../kernel/provider-errors.js';
import { InvalidSettingsError } from '../../platform/config/load-settings.js';
import { Settings } from '../../platform/config/settings.js';
import { listItems } from '../../platform/config/settings.validators.js';
import { PROVIDERS, type Provider } from './providers/provider.js';

/**
 * What a model may be called. It becomes part of a path and of a log row, so it holds nothing that could change either:
 * no blank, control character, `?`, `#`, `%` or backslash, no empty part, and no part that starts with a dot.
 */
const MODEL_NAME = /^[A-Za-z0-9][\w.:@+-]*(\/[\w:@+-][\w.:@+-]*)*$/;
const MAX_MODEL_NAME = 112;

export interface ResolvedModel {
  readonly provider: Provider;
  /** The model's name at the provider. */
  readonly upstream: string;
  /** `provider/model`. */
  readonly name: string;
}

/** Tells which provider serves a model: by alias, by `provider/` in front, or by the family of a bare name. */
@Injectable()
export class ModelResolver {
  /** The operator's own names, in the order they were set. */
  readonly aliases: ReadonlyMap<string, string>;
  private readonly byName: ReadonlyMap<string, Provider>;

  /** @throws InvalidSettingsError when an alias names a provider that does not exist. */
  constructor(
    @Inject(PROVIDERS) private readonly providers: readonly Provider[],
    settings: Settings,
  ) {
    this.byName = new Map(providers.map((provider) => [provider.name, provider]));
    this.aliases = new Map(
      listItems(settings.MODEL_ALIASES).map((item) => {
        const split = item.indexOf('=');
        return [item.slice(0, split), item.slice(split + 1)];
      }),
    );
    const problems = [...this.aliases]
      .filter(([, target]) => this.find(target) === null)
      .map(([alias]) => `MODEL_ALIASES: the model of "${alias}" is not one of a provider known here`);
    if (problems.length > 0) throw new InvalidSettingsError(problems);
  }

  /** @throws ModelNotFoundError when no provider serves a model of that name. */
  resolve(name: string): ResolvedModel {
    const model = this.find(this.aliases.get(name) ?? name);
    if (model === null)
      throw new ModelNotFoundError(
        'The model does not exist here. Name it "provider/model", e.g. "openai/gpt-4o-mini"; GET /v1/models lists what there is.',
      );
    return model;
  }

  /** Whether a model of that name would be taken to a provider. */
  knows(name: string): boolean {
    return this.find(name) !== null;
  }

  private find(name: string): ResolvedModel | null {
    if (name.length > MAX_MODEL_NAME || !MODEL_NAME.test(name)) return null;
    const slash = name.indexOf('/');
    const named = slash < 0 ? undefined : this.byName.get(name.slice(0, slash));
    const provider = named ?? this.providers.find((each) => slash < 0 && each.ownsBareName(name));
    if (provider === undefined) return null;
    const upstream = named === undefined ? name : name.slice(slash + 1);
    if (provider.kind === 'local' && !provider.models.includes(upstream)) return null;
    return { provider, upstream, name: `${provider.name}/${upstream}` };
  }
}
