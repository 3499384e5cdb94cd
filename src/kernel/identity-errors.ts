import { AppError } from './app-error.js';

/** RFC 6750, section 3: what a refused bearer token is answered with. */
const INVALID_BEARER = { 'www-authenticate': 'Bearer realm="core-nest", error="invalid_token"' };

/** 401: the token is malformed, forged, expired or revoked, or not meant for this service; not to be told apart. */
export class InvalidTokenError extends AppError {
  readonly status = 401;
  readonly code = 'invalid_token';

  constructor() {
    super('The token is not valid, has expired or was revoked. Get a new one: refresh it, or sign in again.', {
      headers: INVALID_BEARER,
    });
  }
}

/** 401: the session has ended, or never was one. */
export class InvalidSessionError extends AppError {
  readonly status = 401;
  readonly code = 'invalid_session';

  constructor() {
    super('You are not signed in, or the session has ended. Sign in again.', { headers: INVALID_BEARER });
  }
}

/** 401: unknown user, wrong password, not verified and suspended, which are not to be told apart. */
export class InvalidLoginError extends AppError {
  readonly status = 401;
  readonly code = 'invalid_login';

  constructor() {
    super('The e-mail address or the password is wrong. If you forgot the password, ask for a new one.', {
      headers: { 'www-authenticate': 'Bearer realm="core-nest"' },
    });
  }
}

/** 403: a request with the cookie of a session that the session's own page did not make. */
export class CsrfError extends AppError {
  readonly status = 403;
  readonly code = 'csrf_failed';

  constructor() {
    super(
      'Requests that change something need the header X-CSRF-Token beside a session cookie. Get it from GET /api/v1/auth/csrf.',
    );
  }
}

/** 403: the route is about the caller's own things, and the caller is no user's. */
export class UserRequiredError extends AppError {
  readonly status = 403;
  readonly code = 'user_required';

  constructor() {
    super('This route is about your own account: sign in, or use a key that belongs to a user.');
  }
}

/** 409: nobody would be left who can administer everything. */
export class LastAdministratorError extends AppError {
  readonly status = 409;
  readonly code = 'last_administrator';

  constructor() {
    super('This is the last administrator. Make another one first.');
  }
}

/** 409: a role would inherit from itself. */
export class RoleCycleError extends AppError {
  readonly status = 409;
  readonly code = 'role_cycle';
}

/** 409: the user has as many sessions as they may. */
export class SessionLimitError extends AppError {
  readonly status = 409;
  readonly code = 'session_limit';
}

/** 409: the change does not fit what is there. */
export class ConflictError extends AppError {
  readonly status = 409;
  readonly code = 'conflict';
}

/** 409: the user has as many keys as anybody may. */
export class TooManyKeysError extends AppError {
  readonly status = 409;
  readonly code = 'too_many_keys';

  constructor(limit: number) {
    super(`A user has ${limit} keys at most. Revoke one that is no longer used.`);
  }
}

/** 400: the token of a mail is unknown, was used, is over, or is for something else; not to be told apart. */
export class InvalidOneTimeTokenError extends AppError {
  readonly status = 400;
  readonly code = 'invalid_one_time_token';

  constructor() {
    super('This token is not valid: it may have been used already, or be too old. Ask for a new one.');
  }
}

/** 400: a request for a token that is understood and cannot be granted; codes of RFC 6749, 5.2, and RFC 8707, 2. */
export class TokenRequestError extends AppError {
  readonly status = 400;

  constructor(
    readonly code: 'invalid_scope' | 'invalid_target' | 'unauthorized_client' | 'unsupported_grant_type',
    message: string,
  ) {
    super(message);
  }
}
