/**
 * What must hold for a grant to count, besides its scope; the names are those of the wire and of PostgreSQL. Every one
 * that is given must hold. An attribute that is not known holds for no grant that allows, and for each that denies.
 */
export interface GrantConditions {
  /** The request's address lies in one of these ranges. */
  readonly cidr?: readonly string[];
  readonly hours?: GrantHours;
  /** How the principal proved who it is: a method of `AuthState` or one of the sign-in (`password`). */
  readonly methods?: readonly string[];
  /** Seconds since the person last proved who they are, at most. */
  readonly max_auth_age_seconds?: number;
  readonly mfa?: true;
  /** ISO 3166 alpha-2 codes. */
  readonly countries?: readonly string[];
  /** Only objects that the principal owns. */
  readonly own_only?: true;
}

/** Hours of the day, on some days of the week, in a time zone. */
export interface GrantHours {
  /** An IANA name (`Europe/Berlin`). */
  readonly zone: string;
  /** ISO days, 1 (Monday) to 7; absent: every day. */
  readonly days?: readonly number[];
  /** `HH:MM`. A time after `to` spans midnight. */
  readonly from: string;
  readonly to: string;
}

/** Where a grant holds: everywhere, for one client and what is its own, or for one object. */
export type GrantScope =
  | { readonly type: 'all' }
  | { readonly type: 'client'; readonly id: string }
  | { readonly type: 'resource'; readonly resource: string; readonly id: string };

/** A role given to a user, or denied to it. */
export interface Grant {
  readonly id: string;
  readonly roleId: string;
  readonly effect: 'allow' | 'deny';
  readonly scope: GrantScope;
  readonly conditions: GrantConditions | null;
  /** Milliseconds since the epoch; null: without end. */
  readonly expiresAt: number | null;
}
