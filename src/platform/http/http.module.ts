import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AddressGate } from './address-gate.js';
import { ErrorFilter } from './error.filter.js';
import { RequestObservers } from './request-observer.js';

/** The edge's doors to the rooms: who wants the records of requests, who refuses addresses, and what becomes of errors. */
@Module({
  providers: [RequestObservers, AddressGate, { provide: APP_FILTER, useClass: ErrorFilter }],
  exports: [RequestObservers, AddressGate],
})
export class HttpModule {}
