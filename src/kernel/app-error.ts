/** A field that was wrong: where it stood (`body.name`, `query.limit`) and what is wrong with it. */
export interface FieldError {
  readonly location: string;
  readonly message: string;
}

interface AppErrorOptions {
  /** Seconds the caller should wait; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly errors?: readonly FieldError[];
  /** Response headers that belong to this refusal. Never built from a request's header values. */
  readonly headers?: Readonly<Record<string, string>>;
  /** RFC 9457 `type`, when a registered one fits better than `about:blank`. */
  readonly type?: string;
  /** Names the decision behind this refusal; an extension member of the problem body. */
  readonly decisionId?: string;
}

/**
 * A refusal the caller may read. `message` says what was wrong and what to do; it never holds a secret, SQL, a path or a
 * stack, because it is sent as it stands. Anything thrown that is not an `AppError` becomes a bare 500.
 */
export abstract class AppError extends Error {
  abstract readonly status: number;
  abstract readonly code: string;
  readonly retryAfterSeconds: number | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly type: string;
  readonly decisionId: string | undefined;

  constructor(message: string, options: AppErrorOptions = {}) {
    super(message);
    this.name = new.target.name;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.errors = options.errors;
    this.headers = options.headers;
    this.type = options.type ?? 'about:blank';
    this.decisionId = options.decisionId;
  }
}

/** 400: fields of the request are wrong; `errors` names each of them. */
export class InvalidRequestError extends AppError {
  readonly status = 400;
  readonly code = 'invalid_request';

  constructor(errors: readonly FieldError[]) {
    const [first] = errors;
    super(first ? `${first.location}: ${first.message}` : 'The request is not valid.', { errors });
  }
}

/** 400: the body is not the JSON document the route needs. */
export class MalformedBodyError extends AppError {
  readonly status = 400;
  readonly code = 'malformed_body';
}

/** 400: more than one identity in one request, or one credential header more than once. */
export class AmbiguousCredentialsError extends AppError {
  readonly status = 400;
  readonly code = 'ambiguous_credentials';
}

/** 401: no credential where one is needed. `challenge` becomes `WWW-Authenticate` (RFC 9110, 11.6.1). */
export class MissingCredentialsError extends AppError {
  readonly status = 401;
  readonly code = 'missing_credentials';

  constructor() {
    super('No credential was sent. Send your API key as "Authorization: Bearer <api key>" or "X-API-Key: <api key>".', {
      headers: { 'www-authenticate': 'Bearer realm="core-nest", Basic realm="core-nest", charset="UTF-8"' },
    });
  }
}

/** 401: unknown id, wrong secret, disabled, expired and revoked, which are not to be told apart. */
export class InvalidApiKeyError extends AppError {
  readonly status = 401;
  readonly code = 'invalid_api_key';

  constructor() {
    super(
      "The API key is not valid. Check that it was copied whole; ask an administrator for a new one if it was revoked. A provider's own key goes in X-Provider-Token.",
      {
        headers: {
          'www-authenticate':
            'Bearer realm="core-nest", error="invalid_token", Basic realm="core-nest", charset="UTF-8"',
        },
      },
    );
  }
}

/** 503: the credential cannot be checked right now; never a reason to accept it nor to call it wrong. */
export class AuthUnavailableError extends AppError {
  readonly status = 503;
  readonly code = 'auth_unavailable';

  constructor(retryAfterSeconds = 1) {
    super('Credentials cannot be checked right now. Try again shortly.', { retryAfterSeconds });
  }
}

/** 403: the identity is known and does not hold the permission, or may not use this route at all. */
export class PermissionDeniedError extends AppError {
  readonly status = 403;
  readonly code = 'permission_denied';
}

/** 404: there is no such thing, or it belongs to somebody else. */
export class NotFoundError extends AppError {
  readonly status = 404;
  readonly code = 'not_found';
}

/** 413: the body is larger than this identity may send. */
export class PayloadTooLargeError extends AppError {
  readonly status = 413;
  readonly code = 'payload_too_large';

  constructor(limitBytes: number) {
    super(`The request body is larger than the ${limitBytes} bytes allowed here.`);
  }
}

/** 415: the body is of a kind the route does not read. */
export class UnsupportedMediaTypeError extends AppError {
  readonly status = 415;
  readonly code = 'unsupported_media_type';
}

/** 429: a token bucket is empty. The limiter supplies its headers. */
export class RateLimitedError extends AppError {
  readonly status = 429;
  readonly code = 'rate_limited';

  constructor(message: string, retryAfterSeconds: number, decisionId?: string) {
    const type = 'https://iana.org/assignments/http-problem-types#quota-exceeded';
    super(message, { retryAfterSeconds, type, ...(decisionId !== undefined && { decisionId }) });
  }
}

/** 429: too many requests of one caller are under way at once. */
export class ConcurrencyLimitedError extends AppError {
  readonly status = 429;
  readonly code = 'concurrency_limited';
}

/** 431: more header lines, or more header bytes, than the edge reads. */
export class HeadersTooLargeError extends AppError {
  readonly status = 431;
  readonly code = 'headers_too_large';
}

/** 503: something this request cannot do without is away or full. */
export class ServiceUnavailableError extends AppError {
  readonly status = 503;
  readonly code = 'service_unavailable';

  constructor(message = 'The service cannot answer this right now. Try again shortly.', retryAfterSeconds = 1) {
    super(message, { retryAfterSeconds });
  }
}

/** 403: this service answers over HTTPS only, and the request came in the clear. */
export class HttpsRequiredError extends AppError {
  readonly status = 403;
  readonly code = 'https_required';

  constructor() {
    super(
      'This service is reached over HTTPS only. Use https://, and replace any credential this request carried: it crossed the network unencrypted.',
    );
  }
}

/** 403: the client address is blocked by an operator, or for guessing credentials. */
export class AddressBlockedError extends AppError {
  readonly status = 403;
  readonly code = 'address_blocked';

  constructor() {
    super('Requests from your address are not accepted here. Ask an administrator to lift the block.');
  }
}

/** 409: the client holds as many secrets that work as it can. */
export class TooManySecretsError extends AppError {
  readonly status = 409;
  readonly code = 'too_many_secrets';
}

/** 409: the first request with this `Idempotency-Key` is still under way. */
export class IdempotencyKeyInUseError extends AppError {
  readonly status = 409;
  readonly code = 'idempotency_key_in_use';

  constructor() {
    super('A request with this Idempotency-Key is still under way. Send the same request again shortly.', {
      retryAfterSeconds: 1,
    });
  }
}

/** 422: the `Idempotency-Key` was used for another request. */
export class IdempotencyKeyReusedError extends AppError {
  readonly status = 422;
  readonly code = 'idempotency_key_reused';

  constructor() {
    super('This Idempotency-Key was sent before with another body. Use a new key for a new request.');
  }
}

/** 403: the client is known, and may not call from this address. */
export class AddressNotAllowedError extends AppError {
  readonly status = 403;
  readonly code = 'address_not_allowed';

  constructor() {
    super(
      'This client may not call from your address. Call from an address on its list, or ask an administrator to add yours.',
    );
  }
}

/** 404: the api key is none that works now; whether it ever did is not told. */
export class UnknownApiKeyError extends AppError {
  readonly status = 404;
  readonly code = 'unknown_api_key';

  constructor() {
    super('This is not an API key that works now: it may have been revoked already. There is nothing left to do.');
  }
}

/** 409: there is a rule for that very range of addresses already. */
export class IpRuleExistsError extends AppError {
  readonly status = 409;
  readonly code = 'ip_rule_exists';

  constructor() {
    super('There is a rule for this range already. Change that one, or remove it first.');
  }
}

/** 409: an automatic block is what it is, or is lifted. */
export class IpRuleAutomaticError extends AppError {
  readonly status = 409;
  readonly code = 'ip_rule_automatic';

  constructor() {
    super('An automatic block is not changed. Remove it to lift it, or make a rule of your own for the address.');
  }
}

/** 409: the change would keep out the very address it is asked for from. */
export class WouldBlockCallerError extends AppError {
  readonly status = 409;
  readonly code = 'would_block_caller';

  constructor() {
    super('This would block the address you are calling from. Send allow_self_block: true if that is what you want.');
  }
}
