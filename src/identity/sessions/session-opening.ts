import { Injectable } from '@nestjs/common';
import { SessionLimitError } from '../../kernel/identity-errors.js';
import { newId } from '../../kernel/ids.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { Transaction } from '../../platform/database/transactions.js';
import { Countries } from '../../platform/geo/countries.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import type { AuditOrigin } from '../../records/audit/audit.service.js';
import { type PrincipalChange, PrincipalChanges } from '../principals/principal-changes.service.js';
import { newDeviceId } from './devices/device-cookie.js';
import { shownDevice } from './devices/shown-device.js';
import type { SessionKind } from './session.entity.js';
import { hashOfSecret, newSecret } from './session-cookie.js';
import { assertProofStands } from './session-proofs.js';
import { type SessionSignal, SessionSignals } from './session-signals.js';
import { SessionsRepository } from './sessions.repository.js';

/** What a request says of where and on what somebody signs in. */
export interface SignInFacts {
  readonly address: string;
  readonly userAgent: string | null;
  /** As `KnownDevices.deviceOf` gave it; null: a device never seen before. */
  readonly deviceId: string | null;
  readonly origin: AuditOrigin;
}

/** A sign-in that succeeded. */
export interface SignIn {
  readonly userId: string;
  readonly kind: SessionKind;
  readonly method: string;
  /** RFC 8176. */
  readonly amr: readonly string[];
  readonly mfa?: boolean;
  /** A session by cookie outlasts the browser; one of tokens lives as long as its refresh tokens in any case. */
  readonly remember: boolean;
  readonly facts: SignInFacts;
  /** When the password that was right was set, if one was: a sign-in with one that is no longer it is refused. */
  readonly passwordChangedAt?: Date | null;
}

/** The session of a sign-in. */
export interface OpenedSession {
  readonly session: {
    readonly id: string;
    readonly userId: string;
    readonly kind: SessionKind;
    readonly deviceId: string;
    readonly createdAt: Date;
    readonly expiresAt: Date;
    readonly idleSeconds: number;
  };
  /** Of the cookie; null for a session of tokens. */
  readonly secret: Secret | null;
  /** Sessions that made room for it. */
  readonly endedSessionIds: readonly string[];
  readonly signals: readonly SessionSignal[];
  /** To be followed after the commit; null: nothing ended. */
  readonly change: PrincipalChange | null;
}

/** How sessions begin. */
@Injectable()
export class SessionOpening {
  /** Sessions opened since start. */
  opened = 0;

  constructor(
    private readonly settings: Settings,
    private readonly clock: DatabaseClock,
    private readonly countries: Countries,
    private readonly repository: SessionsRepository,
    private readonly signals: SessionSignals,
    private readonly changes: PrincipalChanges,
  ) {}

  /** As `SessionsService.open`. */
  async open(signIn: SignIn, transaction: Transaction): Promise<OpenedSession> {
    const { userId, kind, facts, passwordChangedAt } = signIn;
    assertProofStands(await this.repository.lockUser(userId, transaction), passwordChangedAt);
    const now = new Date(this.clock.now());
    const endedSessionIds = await this.#makeRoom(userId, now, transaction);

    const id = newId('ses');
    const deviceId = facts.deviceId ?? newDeviceId();
    const country = this.countries.of(facts.address);
    const device = shownDevice(facts.userAgent);
    const origin: AuditOrigin = { ...facts.origin, actorType: 'user', actorId: userId, sessionId: id };
    const place = { sessionId: id, userId, deviceId, device, address: facts.address, country, now, origin };
    const signals = await this.signals.ofSignIn(place, transaction);

    const secret = kind === 'cookie' ? newSecret() : null;
    const { idleSeconds, seconds } = this.#lifeOf(signIn);
    const session = { id, userId, kind, deviceId, createdAt: now, idleSeconds, expiresAt: later(now, seconds) };
    await this.repository.insert(
      {
        ...session,
        secretHash: secret === null ? null : hashOfSecret(secret),
        method: signIn.method,
        amr: signIn.amr,
        mfa: signIn.mfa ?? false,
        device,
        address: facts.address,
        country,
        alarmedAt: signals.includes('concurrent_countries') ? now : null,
      },
      transaction,
    );
    const change = endedSessionIds.length > 0 ? await this.changes.changed(userId, transaction) : null;
    this.opened += 1;
    return { session, secret, endedSessionIds, signals, change };
  }

  async #makeRoom(userId: string, now: Date, transaction: Transaction): Promise<string[]> {
    const { SESSIONS_PER_USER: most, SESSIONS_WHEN_FULL: whenFull } = this.settings;
    const live = await this.repository.liveIds(userId, now, transaction);
    if (live.length < most) return [];
    if (whenFull === 'refuse')
      throw new SessionLimitError(
        `You are signed in ${live.length} times, which is the most there may be. End a session first.`,
      );
    const ids = live.slice(0, live.length - most + 1);
    return this.repository.end(userId, { ids }, { at: now, reason: 'replaced' }, transaction);
  }

  #lifeOf({ kind, remember }: SignIn): { readonly idleSeconds: number; readonly seconds: number } {
    const { settings } = this;
    if (kind === 'token') return { idleSeconds: settings.REFRESH_IDLE_SECONDS, seconds: settings.REFRESH_TTL_SECONDS };
    if (remember) return { idleSeconds: settings.SESSION_REMEMBER_SECONDS, seconds: settings.SESSION_REMEMBER_SECONDS };
    return { idleSeconds: settings.SESSION_IDLE_SECONDS, seconds: settings.SESSION_TTL_SECONDS };
  }
}

function later(time: Date, seconds: number): Date {
  return new Date(time.getTime() + seconds * 1_000);
}
