import { Module } from '@nestjs/common';
import { IpGateGuard } from './ip-gate.guard.js';

/** The gate before anyone is known. */
@Module({ providers: [IpGateGuard], exports: [IpGateGuard] })
export class IpGateModule {}
