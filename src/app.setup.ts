import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { Settings } from './platform/config/settings.js';
import { isSchemaBehind } from './platform/database/migrate.js';
import { ReadinessService } from './platform/health/readiness.service.js';
import { EdgeAdapter } from './platform/http/edge-adapter.js';
import { exitOnSignals } from './platform/http/graceful-shutdown.js';
import { APP_OPTIONS, setUpApp } from './platform/http/http-app.js';
import { log } from './platform/logging/log.js';
import { GatewayService } from './traffic/gateway/gateway.service.js';

/** The process cannot serve; the message says why and what to do, and holds nothing that must not be seen. */
export class StartError extends Error {}

/**
 * The whole application, wired and not yet listening: `init` or `listen` starts its rooms.
 *
 * A test that replaces a provider makes its application itself: `Test.createTestingModule({ imports:
 * [AppModule.for(settings)] })`, its overrides, `createNestApplication(new EdgeAdapter(settings), APP_OPTIONS)`, and
 * `setUpApp`.
 */
export async function createApp(settings: Settings): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.for(settings),
    new EdgeAdapter(settings),
    APP_OPTIONS,
  );
  return setUpApp(app);
}

/**
 * Serves until a signal ends the process: starts the rooms, listens, runs the data plane warm, and only then says that
 * it is ready.
 *
 * @param exit ends the process in the end; whoever runs more than this in it stops that first.
 * @throws StartError when PostgreSQL cannot be reached, its schema is behind, or the address is taken.
 */
export async function serve(settings: Settings, exit?: (code: number) => void): Promise<NestFastifyApplication> {
  const app = await createApp(settings).catch((error: unknown) => {
    throw startErrorOf(error);
  });
  if (await isSchemaBehind(settings.DATABASE_URL)) {
    throw new StartError('DATABASE_URL: the schema of this database is behind this release. Run: npm run migrate');
  }
  const readiness = app.get(ReadinessService);
  exitOnSignals(app, { graceSeconds: settings.SHUTDOWN_GRACE_SECONDS, onDrain: () => readiness.drain(), exit });
  await app.listen(settings.PORT, settings.HOST).catch((error: unknown) => {
    throw startErrorOf(error);
  });
  log('info', 'listening', { host: settings.HOST, port: (app.getHttpServer().address() as AddressInfo).port });
  await app.get(GatewayService).warmUp();
  readiness.setWarm();
  log('info', 'ready');
  return app;
}

function startErrorOf(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new StartError('PORT: another process listens there. Stop it, or set PORT to a free one.');
    case 'EACCES':
    case 'EADDRNOTAVAIL':
      return new StartError('HOST, PORT: this process may not listen there. Choose another address or port.');
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'ETIMEDOUT':
      return new StartError('DATABASE_URL: PostgreSQL does not answer there. Is it started, and is the address right?');
    case '28P01':
    case '28000':
      return new StartError('DATABASE_URL: PostgreSQL refused the user or password.');
    case '3D000':
      return new StartError('DATABASE_URL: PostgreSQL has no database of that name. Create it first.');
    default:
      return error;
  }
}
