import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { Settings } from './platform/config/settings.js';
import { EdgeAdapter } from './platform/http/edge-adapter.js';
import { APP_OPTIONS, setUpApp } from './platform/http/http-app.js';

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
