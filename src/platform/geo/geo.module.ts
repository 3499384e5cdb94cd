import { Module } from '@nestjs/common';
import { Countries } from './countries.js';

/** Where addresses are, off-line. */
@Module({ providers: [Countries], exports: [Countries] })
export class GeoModule {}
