import type { ExecutionContext } from '@nestjs/common';
import { buildAccess } from '../../../test/support/access.js';
import { UNRESTRICTED } from '../../../test/support/attempts.js';
import { buildSettings } from '../../../test/support/build-settings.js';
import { AmbiguousCredentialsError, InvalidApiKeyError, MissingCredentialsError } from '../../kernel/app-error.js';
import type { ClientAuth, RequestIdentity } from '../../kernel/auth-state.js';
import { Public, Require } from '../../kernel/handler-marks.js';
import { RequestRecord } from '../../kernel/request-record.js';
import { SessionCookieService } from '../sessions/session-cookie.service.js';
import { AuthGuard } from './auth.guard.js';
import type { AuthStrategy } from './auth-strategy.js';
import { ByotStrategy } from './strategies/byot.strategy.js';

class Routes {
  @Public() open() {}
  @Require('authenticated') closed() {}
  unmarked() {}
}

const client: ClientAuth = {
  kind: 'client',
  method: 'client',
  owner: null,
  tokenId: null,
  clientId: 'cn_live_x',
  tier: 'free',
  scopes: [],
  ...UNRESTRICTED,
  providerToken: null,
};
const identity = { state: client, fence: null } as unknown as RequestIdentity;

function strategyOf(authenticate: () => RequestIdentity | Promise<RequestIdentity>): AuthStrategy {
  return {
    method: 'client',
    recognise: (presented) => (presented.identity === null ? null : { authenticate }),
  };
}

function ask(route: keyof Routes, rawHeaders: string[], ...strategies: AuthStrategy[]) {
  const request = {
    raw: { rawHeaders, method: 'GET', headers: {} },
    record: new RequestRecord('r', 'GET', '127.0.0.1', 'none', 0),
    identity: null as RequestIdentity | null,
  };
  const context = {
    getHandler: () => Routes.prototype[route],
    getClass: () => Routes,
    getArgByIndex: () => request,
  } as unknown as ExecutionContext;
  const guard = new AuthGuard(strategies, buildAccess(), new SessionCookieService(buildSettings()));
  return { request, outcome: () => guard.canActivate(context) };
}

describe('AuthGuard', () => {
  const known = strategyOf(() => identity);
  const key = ['X-API-Key', 'k'];

  it('asks nothing of a public route, not even that its credentials make sense', () => {
    const { request, outcome } = ask('open', [...key, ...key], known);
    expect(outcome()).toBe(true);
    expect(request.identity).toBeNull();
  });

  it.each<keyof Routes>(['closed', 'unmarked'])('demands a credential on a route that is %s', (route) => {
    expect(ask(route, [], known, new ByotStrategy()).outcome).toThrow(MissingCredentialsError);
  });

  it('admits at once whom a strategy knows, and notes who it was', () => {
    const { request, outcome } = ask('closed', key, known);
    expect(outcome()).toBe(true);
    expect(request.identity).toBe(identity);
    expect(request.record).toMatchObject({ authMethod: 'client', clientId: 'cn_live_x' });
  });

  it('waits for a strategy that has to ask', async () => {
    const { request, outcome } = ask(
      'closed',
      key,
      strategyOf(() => Promise.resolve(identity)),
    );
    await expect(outcome()).resolves.toBe(true);
    expect(request.identity).toBe(identity);
  });

  it('passes a refusal on and leaves nobody admitted', async () => {
    const { request, outcome } = ask(
      'closed',
      key,
      strategyOf(() => Promise.reject(new InvalidApiKeyError())),
    );
    await expect(outcome()).rejects.toThrow(InvalidApiKeyError);
    expect(request.identity).toBeNull();
    expect(request.record.clientId).toBeNull();
  });

  it('refuses what two strategies recognise, before either is asked', () => {
    const asked = jest.fn(() => identity);
    expect(ask('closed', key, strategyOf(asked), strategyOf(asked)).outcome).toThrow(AmbiguousCredentialsError);
    expect(asked).not.toHaveBeenCalled();
  });

  it('takes a provider token alone for BYOT, and beside an identity not', async () => {
    const token = ['X-Provider-Token', 'sk-1', 'X-Provider', 'gemini'];
    const { request, outcome } = ask('closed', token, known, new ByotStrategy());
    expect(outcome()).toBe(true);
    expect(request.identity?.state).toMatchObject({
      kind: 'byot',
      method: 'byot',
      providerToken: { provider: 'gemini' },
    });
    await expect(request.identity?.confirm()).resolves.toBe(request.identity);
    await expect(request.identity?.renew()).resolves.toBe(request.identity);
    const beside = ask('closed', [...key, ...token], known, new ByotStrategy());
    beside.outcome();
    expect(beside.request.identity).toBe(identity);
  });
});
