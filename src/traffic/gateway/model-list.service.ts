import { Inject, Injectable } from '@nestjs/common';
import type { AuthState } from '../../kernel/auth-state.js';
import { Clock } from '../../kernel/clock.js';
import { ModelNotFoundError } from '../../kernel/provider-errors.js';
import { collect } from './collect.js';
import { ModelAccess } from './model-access.js';
import { ModelResolver } from './model-resolver.js';
import { type ProviderKey, ProviderKeys } from './provider-keys.js';
import { PROVIDERS, type Provider, type RemoteProvider } from './providers/provider.js';
import { UpstreamPools } from './upstream-pools.js';

const LIST_TIMEOUT_MS = 3_000;
const KEPT_MS = 300_000;
const KEPT_AFTER_FAILURE_MS = 15_000;
const MAX_LIST_BYTES = 4_194_304;
const MAX_MODELS = 5_000;

/** A model, readable as OpenAI's (`object`, `created`, `owned_by`) and as Anthropic's (`type`, `created_at`, …). */
export interface ModelView {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
  readonly type: 'model';
  readonly display_name: string;
  readonly created_at: string;
}

interface KeptList {
  readonly until: number;
  readonly ids: Promise<readonly string[]>;
}

/**
 * The models there are: the built-in ones, the operator's aliases, and what each provider lists for the key in use. A
 * list under a house key is kept for five minutes; one under a caller's own token is never kept. A provider that does
 * not answer within three seconds is left out, and asked again after fifteen.
 */
@Injectable()
export class ModelListService {
  private readonly kept = new Map<string, KeptList>();

  constructor(
    @Inject(PROVIDERS) private readonly providers: readonly Provider[],
    private readonly resolver: ModelResolver,
    private readonly keys: ProviderKeys,
    private readonly pools: UpstreamPools,
    private readonly clock: Clock,
    private readonly access: ModelAccess,
  ) {}

  /** Those that this caller may use. */
  async list(state: AuthState): Promise<ModelView[]> {
    const builtIn = this.providers.flatMap((provider) =>
      provider.kind === 'local' ? provider.models.map((model) => `${provider.name}/${model}`) : [],
    );
    const lists = await Promise.all(this.keys.usable(state).map(({ provider, key }) => this.idsOf(provider, key)));
    const names = [...builtIn, ...lists.flat(), ...this.resolver.aliases.keys()];
    return names.flatMap((name) => {
      const model = this.resolver.resolve(name);
      return this.access.allows(state, name, model) ? view(name, model.provider) : [];
    });
  }

  /** One of the list, named as any route would take it. @throws ModelNotFoundError when it is not there. */
  async find(id: string, state: AuthState): Promise<ModelView> {
    const model = this.resolver.resolve(id);
    if (this.access.allows(state, id, model)) {
      const models = await this.list(state);
      if (this.resolver.aliases.has(id) || models.some((each) => each.id === model.name))
        return view(id, model.provider);
    }
    throw new ModelNotFoundError('The model does not exist here. GET /v1/models lists what there is.');
  }

  private async idsOf(provider: RemoteProvider, key: ProviderKey): Promise<readonly string[]> {
    if (key.callersOwn) return this.ask(provider, key).catch(() => []);
    const kept = this.kept.get(provider.name);
    if (kept !== undefined && kept.until > this.clock.now()) return kept.ids;
    const keepFor = (milliseconds: number, ids: KeptList['ids']) =>
      this.kept.set(provider.name, { until: this.clock.now() + milliseconds, ids });
    const asked = this.ask(provider, key).catch(() => {
      keepFor(KEPT_AFTER_FAILURE_MS, Promise.resolve([]));
      return [];
    });
    keepFor(KEPT_MS, asked);
    return asked;
  }

  private async ask(provider: RemoteProvider, key: ProviderKey): Promise<readonly string[]> {
    const { path, headers } = provider.listModels(key.value);
    const { status, body } = await collect({
      pool: this.pools.get(provider),
      method: 'GET',
      path,
      headers,
      maxBytes: MAX_LIST_BYTES,
      signal: AbortSignal.timeout(LIST_TIMEOUT_MS),
    });
    if (status !== 200) throw new Error(`status ${status}`);
    const { data } = JSON.parse(body.toString()) as { data?: unknown };
    if (!Array.isArray(data)) throw new Error('not a list');
    return data
      .slice(0, MAX_MODELS)
      .map((model: { id?: unknown } | null) => (typeof model?.id === 'string' ? model.id.replace(/^models\//, '') : ''))
      .map((id) => `${provider.name}/${id}`)
      .filter((name) => this.resolver.knows(name));
  }
}

function view(id: string, provider: Provider): ModelView {
  return {
    id,
    object: 'model',
    created: 0,
    owned_by: provider.name,
    type: 'model',
    display_name: id,
    created_at: '1970-01-01T00:00:00Z',
  };
}
