import type { NestApplicationOptions } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Clock } from '../../kernel/clock.js';
import { Settings } from '../config/settings.js';
import { NestLogger } from '../logging/nest-logger.js';
import { AddressGate } from './address-gate.js';
import { serveDocs } from './docs.js';
import type { EdgeAdapter } from './edge-adapter.js';
import { RequestObservers } from './request-observer.js';

/** How Nest is made everywhere: bodies are read behind the guards, and faults at start reach whoever starts it. */
export const APP_OPTIONS: NestApplicationOptions = {
  bodyParser: false,
  abortOnError: false,
  logger: new NestLogger(),
};

/**
 * Joins the edge to an application that was made on an `EdgeAdapter` with `APP_OPTIONS`, and adds the docs. Call it
 * before `init` or `listen`.
 */
export function setUpApp(app: NestFastifyApplication): NestFastifyApplication {
  const { edge } = app.getHttpAdapter() as unknown as EdgeAdapter;
  edge.join(
    app.get(Clock, { strict: false }),
    app.get(RequestObservers, { strict: false }),
    app.get(AddressGate, { strict: false }),
  );
  if (app.get(Settings, { strict: false }).DOCS === 'on') serveDocs(app);
  return app;
}
