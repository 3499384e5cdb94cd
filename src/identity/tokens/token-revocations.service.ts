import { Injectable } from '@nestjs/common';
import { PermissionDeniedError } from '../../kernel/app-error.js';
import type { AuthState } from '../../kernel/auth-state.js';
import { InvalidTokenError } from '../../kernel/identity-errors.js';
import { Transactions } from '../../platform/database/transactions.js';
import type { Propagation } from '../../platform/replicas/change.js';
import { type AuditOrigin, AuditService } from '../../records/audit/audit.service.js';
import type { AccessClaims } from './access-claims.js';
import { AccessTokensService } from './access-tokens.service.js';
import { RefreshFamilies } from './refresh-families.service.js';
import { TokenChanges } from './token-changes.js';
import { TokenRevocationsRepository } from './token-revocations.repository.js';

/** Who asks for a revocation. */
export interface Revoker {
  readonly state: AuthState;
  /** Holds `tokens:delete`, and so may revoke anybody's. */
  readonly mayRevokeAny: boolean;
  readonly origin: AuditOrigin;
}

const NOTHING_TO_DO: Propagation = { propagation: 'complete' };

/**
 * Revokes one token (RFC 7009). Whoever presents it has it; it must be their own all the same. An access token ends by
 * its `jti`, and so in every spelling; a refresh token ends with the sign-in it came from, and all its tokens.
 */
@Injectable()
export class TokenRevocationsService {
  constructor(
    private readonly access: AccessTokensService,
    private readonly families: RefreshFamilies,
    private readonly repository: TokenRevocationsRepository,
    private readonly transactions: Transactions,
    private readonly changes: TokenChanges,
    private readonly audit: AuditService,
  ) {}

  /**
   * Resolves when no replica takes the token, two seconds later at most; at once for what is no token of ours, or none
   * that works (2.2). Rejects with the driver's error when PostgreSQL is away.
   *
   * @throws PermissionDeniedError when it is somebody else's (2.1).
   */
  async revoke(token: string, revoker: Revoker): Promise<Propagation> {
    if (this.families.isToken(token)) return this.#revokeRefreshToken(token, revoker);
    const claims = this.#read(token);
    return claims === null ? NOTHING_TO_DO : this.#revokeAccessToken(claims, revoker);
  }

  #read(token: string): AccessClaims | null {
    try {
      return this.access.read(token);
    } catch (error) {
      if (error instanceof InvalidTokenError) return null;
      throw error;
    }
  }

  async #revokeRefreshToken(token: string, revoker: Revoker): Promise<Propagation> {
    const found = await this.families.find(token);
    if (found === null) return NOTHING_TO_DO;
    const { userId, sessionId, familyId } = found;
    assertOwn(revoker, 'user', userId);
    const follow = await this.transactions.run(async (transaction) => {
      await this.families.revoke(found, transaction);
      const subject = { type: 'token', id: familyId } as const;
      const details = { kind: 'refresh_token', user_id: userId, session_id: sessionId };
      await this.audit.record({ action: 'token.revoke', origin: revoker.origin, subject, details }, transaction);
      return this.changes.ofUser(userId, transaction);
    });
    return follow();
  }

  async #revokeAccessToken(claims: AccessClaims, revoker: Revoker): Promise<Propagation> {
    const { jti, sub, subjectKind, sessionId } = claims;
    assertOwn(revoker, subjectKind, sub);
    const [userId, clientId] = subjectKind === 'user' ? [sub, null] : [null, sub];
    const follow = await this.transactions.run(async (transaction) => {
      await this.repository.add({ jti, userId, clientId, expiresAt: new Date(claims.expiresAt) }, transaction);
      const subject = { type: 'token', id: jti } as const;
      const details = { kind: 'access_token', user_id: userId, client_id: clientId, session_id: sessionId };
      await this.audit.record({ action: 'token.revoke', origin: revoker.origin, subject, details }, transaction);
      return userId === null ? this.changes.ofClient(sub, transaction) : this.changes.ofUser(sub, transaction);
    });
    return follow();
  }
}

function assertOwn({ state, mayRevokeAny }: Revoker, kind: 'user' | 'client', id: string): void {
  const ownId = state.kind === 'user' ? state.userId : state.kind === 'client' ? state.clientId : null;
  if (mayRevokeAny || (state.kind === kind && ownId === id)) return;
  throw new PermissionDeniedError(
    'This token was not given to you. Revoking others takes the permission "tokens:delete".',
  );
}
