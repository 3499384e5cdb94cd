import { Inject, Injectable } from '@nestjs/common';
import { InvalidRequestError } from '../../kernel/app-error.js';
import type { AuthState, ProviderToken } from '../../kernel/auth-state.js';
import { ProviderNotConfiguredError } from '../../kernel/provider-errors.js';
import type { Secret } from '../../kernel/secret.js';
import { PROVIDERS, type Provider, type RemoteProvider } from './providers/provider.js';

/** The key an upstream call is made with, and whose it is. */
export interface ProviderKey {
  readonly value: Secret;
  readonly callersOwn: boolean;
}

/** Decides which key a provider gets to see: only ever one that is meant for it. */
@Injectable()
export class ProviderKeys {
  private readonly remote: readonly RemoteProvider[];

  constructor(@Inject(PROVIDERS) providers: readonly Provider[]) {
    this.remote = providers.filter((provider) => provider.kind === 'remote');
  }

  /**
   * The caller's own token when it brought one, and then never the house key; else the house key.
   *
   * @throws InvalidRequestError when the caller's token is for another provider.
   * @throws ProviderNotConfiguredError when there is no key.
   */
  keyFor(state: AuthState, provider: RemoteProvider): ProviderKey {
    if (state.providerToken !== null) {
      this.checkMeantFor(provider, state.providerToken);
      return { value: state.providerToken.value, callersOwn: true };
    }
    if (provider.houseKey === null)
      throw new ProviderNotConfiguredError(
        `No key is set for ${provider.name} here. Send your own in X-Provider-Token, or ask the operator to set one.`,
      );
    return { value: provider.houseKey, callersOwn: false };
  }

  /** The providers a caller may use now, each with its key: the one its own token is for, or all with a house key. */
  usable(state: AuthState): { readonly provider: RemoteProvider; readonly key: ProviderKey }[] {
    const { providerToken } = state;
    if (providerToken === null)
      return this.remote.flatMap((provider) =>
        provider.houseKey === null ? [] : [{ provider, key: { value: provider.houseKey, callersOwn: false } }],
      );
    const name = providerToken.provider ?? this.ownerByForm(providerToken)?.name;
    const provider = this.remote.find((each) => each.name === name);
    return provider === undefined ? [] : [{ provider, key: { value: providerToken.value, callersOwn: true } }];
  }

  private checkMeantFor(provider: RemoteProvider, token: ProviderToken): void {
    if (token.provider !== null && token.provider !== provider.name)
      throw new InvalidRequestError([
        {
          location: 'header.x-provider',
          message: `names ${token.provider}, but the model is served by ${provider.name}`,
        },
      ]);
    const owner = this.ownerByForm(token);
    if (owner !== undefined && owner !== provider)
      throw new InvalidRequestError([
        {
          location: 'header.x-provider-token',
          message: `is a token for ${owner.name}, but the model is served by ${provider.name}`,
        },
      ]);
  }

  private ownerByForm(token: ProviderToken): RemoteProvider | undefined {
    return this.remote.find((provider) => provider.looksLikeOwnToken(token.value.reveal()));
  }
}
