import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../../platform/database/transactions.js';
import { AuditService } from '../../records/audit/audit.service.js';
import { type PrincipalChange, PrincipalChanges } from '../principals/principal-changes.service.js';
import { type OpenedSession, SessionsService, type SignInFacts } from '../sessions/sessions.service.js';
import { type IssuedTokens, TokensService } from '../tokens/tokens.service.js';
import type { PassedCheck } from './password-check.js';
import type { PresentedSession } from './presented-sessions.js';
import { SignInAttemptsRepository } from './sign-in-attempts.repository.js';

/** RFC 8176: a password. */
const AMR = ['pwd'];

/** How somebody signs in whose password was right. */
export interface Completion {
  readonly mode: 'token' | 'cookie';
  readonly remember: boolean;
  readonly facts: SignInFacts;
  /** The session by cookie the request came with. */
  readonly presented: PresentedSession | null;
}

/** What a completed sign-in gives. */
export interface CompletedSignIn {
  readonly opened: OpenedSession;
  /** Null in mode `cookie`. */
  readonly tokens: IssuedTokens | null;
}

/** Opens the session of a sign-in, in one transaction with all that goes with it. */
@Injectable()
export class SignInCompletion {
  constructor(
    private readonly transactions: Transactions,
    private readonly sessions: SessionsService,
    private readonly tokens: TokensService,
    private readonly attempts: SignInAttemptsRepository,
    private readonly audit: AuditService,
    private readonly changes: PrincipalChanges,
  ) {}

  /**
   * The user is read again under a lock: whoever was suspended, or got another password, while this one was hashed is not
   * let in. What ended for it has ended on every replica, or was given up on, when this resolves.
   *
   * @throws InvalidLoginError, SessionLimitError, AuthUnavailableError as `SignInService.signIn`; rejects with the driver's
   *   error. Nothing was done then.
   */
  async complete(passed: PassedCheck, completion: Completion): Promise<CompletedSignIn> {
    const { changes, ...completed } = await this.transactions.run((transaction) =>
      this.#complete(passed, completion, transaction),
    );
    await Promise.all(changes.map((change) => this.changes.follow(change)));
    return completed;
  }

  async #complete(passed: PassedCheck, completion: Completion, transaction: Transaction) {
    const { user, attempt, keys } = passed;
    const { mode, facts } = completion;
    const changes: (PrincipalChange | null)[] = [];
    const presented = mode === 'cookie' ? completion.presented : null;
    const endPresented = async () => changes.push(await this.#end(presented, user.id, facts, transaction));
    // Users are locked in the order of their ids everywhere: two browsers that change places must not wait for each other.
    const endsFirst = presented !== null && presented.userId <= user.id;
    if (endsFirst) await endPresented();
    const opened = await this.#open(passed, completion, transaction);
    if (!endsFirst) await endPresented();
    const tokens = mode === 'token' ? await this.#issue(opened, transaction) : null;
    await this.attempts.succeeded(attempt.id, keys.account, transaction);
    await this.audit.record(
      {
        action: 'user.sign_in',
        origin: { ...facts.origin, actorType: 'user', actorId: user.id, sessionId: opened.session.id },
        subject: { type: 'user', id: user.id },
        details: { session_id: opened.session.id, mode, known_device: keys.device !== null },
      },
      transaction,
    );
    changes.push(opened.change);
    return { opened, tokens, changes: changes.filter((change) => change !== null) };
  }

  #open({ user }: PassedCheck, { mode, remember, facts }: Completion, transaction: Transaction) {
    const { id: userId, passwordChangedAt } = user;
    const signIn = { userId, kind: mode, method: 'password', amr: AMR, remember, facts, passwordChangedAt };
    return this.sessions.open(signIn, transaction);
  }

  #issue({ session }: OpenedSession, transaction: Transaction): Promise<IssuedTokens> {
    return this.tokens.issue({ session: { ...session, amr: AMR, authenticatedAt: session.createdAt } }, transaction);
  }

  async #end(
    presented: PresentedSession | null,
    actorId: string,
    facts: SignInFacts,
    transaction: Transaction,
  ): Promise<PrincipalChange | null> {
    if (presented === null) return null;
    const origin = { ...facts.origin, actorType: 'user', actorId } as const;
    const end = { reason: 'replaced', origin } as const;
    const ended = await this.sessions.end(presented.userId, presented.sessionId, end, transaction);
    return ended?.change ?? null;
  }
}
