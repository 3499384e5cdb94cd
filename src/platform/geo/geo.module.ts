import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Countries } from './countries.js';

/** Where addresses are, off-line. */
@Module({
  providers: [{ provide: Countries, inject: [Settings], useFactory: (settings: Settings) => new Countries(settings) }],
  exports: [Countries],
})
export class GeoModule {}
