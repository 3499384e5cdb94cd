import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Settings } from './settings.js';

/** The settings and the clock, for every room. The only global module. */
@Global()
@Module({})
export class ConfigModule {
  /** Binds settings that were already validated by `loadSettings`. */
  static for(settings: Settings): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: Settings, useValue: settings }, Clock],
      exports: [Settings, Clock],
    };
  }
}
