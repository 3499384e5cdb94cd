import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ErrorFilter } from './error.filter.js';
import { RequestObservers } from './request-observer.js';

/** The edge's doors to the rooms: who wants the records of requests, and what becomes of what they throw. */
@Module({
  providers: [RequestObservers, { provide: APP_FILTER, useClass: ErrorFilter }],
  exports: [RequestObservers],
})
export class HttpModule {}
