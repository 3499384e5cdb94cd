import { Injectable } from '@nestjs/common';
import { AuthUnavailableError } from '../../kernel/app-error.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import { ClientRecall, type RecalledClient } from '../clients/client-recall.service.js';
import { type Principal, PrincipalsService } from '../principals/principals.service.js';
import type { AccessClaims } from './access-claims.js';

/**
 * Whether a verified access token is good now, by what a request that presented it would be decided by: its user or
 * client, session, epoch and `jti`.
 */
@Injectable()
export class TokenStanding {
  constructor(
    private readonly principals: PrincipalsService,
    private readonly clients: ClientRecall,
    private readonly clock: DatabaseClock,
  ) {}

  /** @throws AuthUnavailableError when it cannot be known. */
  async isGood(claims: AccessClaims): Promise<boolean> {
    if (claims.subjectKind === 'client') return this.#isClientsGood(claims);
    const known = await this.principals.current(claims.sub);
    if (known !== null && this.#isUsersGood(claims, known)) return true;
    // A session may be newer than what is remembered.
    const anew = await this.principals.resolveAnew(claims.sub);
    return certain(anew !== null && this.#isUsersGood(claims, anew.principal), anew);
  }

  #isUsersGood({ sessionId, epoch, jti }: AccessClaims, principal: Principal): boolean {
    const now = this.clock.now();
    const session = principal.sessions.find(({ id, kind }) => id === sessionId && kind === 'token');
    if (principal.status !== 'active' || session === undefined) return false;
    if (now >= session.expiresAt || now >= session.lastSeenAt + session.idleSeconds * 1000) return false;
    return principal.epoch === epoch && !principal.revokedTokens.includes(jti);
  }

  async #isClientsGood(claims: AccessClaims): Promise<boolean> {
    const known = this.clients.recall(claims.sub);
    const isCertain = known !== null && (known.fence === null || (await this.clients.confirm(known.fence)));
    if (isCertain && isAmong(known.tokens, claims)) return true;
    // Redis may have fallen back to an older copy of itself: nothing is said to be void on its word.
    const anew = await this.clients.recallAnew(claims.sub, true);
    return certain(anew !== null && isAmong(anew.tokens, claims), anew);
  }
}

/** Nothing is said to be void on what is served while PostgreSQL is away. */
function certain(isGood: boolean, from: { readonly isStale?: true } | null): boolean {
  if (!isGood && from?.isStale === true) throw new AuthUnavailableError();
  return isGood;
}

function isAmong({ epoch, revoked }: RecalledClient['tokens'], claims: AccessClaims): boolean {
  return epoch === claims.epoch && !revoked.includes(claims.jti);
}
