import { AppError } from './app-error.js';

/** 404: no provider serves a model of that name. */
export class ModelNotFoundError extends AppError {
  readonly status = 404;
  readonly code = 'model_not_found';
}

/** 502: the provider could not be reached or broke off before answering. */
export class ProviderError extends AppError {
  readonly status = 502;
  readonly code = 'provider_error';
}

/** 504: the provider took longer than the operator's time-outs allow. */
export class ProviderTimeoutError extends AppError {
  readonly status = 504;
  readonly code = 'provider_timeout';
}

/** 503: the model exists, but the operator has set no key for its provider. */
export class ProviderNotConfiguredError extends AppError {
  readonly status = 503;
  readonly code = 'provider_not_configured';

  constructor(message: string) {
    // The official SDKs heed this header: trying again would not set a key.
    super(message, { headers: { 'x-should-retry': 'false' } });
  }
}

/** 403: the client is known, and may not use this model. */
export class ModelNotAllowedError extends AppError {
  readonly status = 403;
  readonly code = 'model_not_allowed';

  constructor() {
    super('This client may not use this model. GET /v1/models lists those it may use.');
  }
}
