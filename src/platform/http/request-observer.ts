import { Injectable } from '@nestjs/common';
import type { RequestRecord } from '../../kernel/request-record.js';

/** Someone who wants the record of every request once it is complete. */
export interface RequestObserver {
  /**
   * Called exactly once for each request, whatever became of it, when its response has closed: also for a caller that
   * left, for bytes that were no HTTP, and for a refused header block. It runs on the hot path: it must not throw, block
   * or wait.
   */
  onRecordClosed(record: RequestRecord): void;
}

/** The observers of this process. Rooms add themselves when their module starts. */
@Injectable()
export class RequestObservers {
  readonly #observers: RequestObserver[] = [];

  add(observer: RequestObserver): void {
    this.#observers.push(observer);
  }

  closed(record: RequestRecord): void {
    for (const observer of this.#observers) observer.onRecordClosed(record);
  }
}
