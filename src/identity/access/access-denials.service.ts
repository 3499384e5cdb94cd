import { Injectable } from '@nestjs/common';
import type { AppError } from '../../kernel/app-error.js';
import type { HttpRequest } from '../../platform/http/http-request.js';
import { logError } from '../../platform/logging/log-error.js';

/** A request of a known identity that was refused for what it may not do. */
export interface AccessDenial {
  readonly request: HttpRequest;
  /** What the route asks for; null where it asks for an identity of another kind. */
  readonly permission: string | null;
  readonly error: AppError;
}

type Listener = (denial: AccessDenial) => void;

/** Tells whoever records them of requests that were refused for want of a permission. */
@Injectable()
export class AccessDenials {
  readonly #listeners: Listener[] = [];

  /** Calls `listener` for every refusal from now on, in the request's own turn: it must neither wait nor throw. */
  onDenied(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Tells the listeners; one that fails is logged and keeps no refusal from its caller. */
  tell(denial: AccessDenial): void {
    for (const listener of this.#listeners) {
      try {
        listener(denial);
      } catch (error) {
        logError(error, { context: 'access-denials', level: 'error' });
      }
    }
  }
}
