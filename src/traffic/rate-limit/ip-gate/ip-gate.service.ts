import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AddressBlockedError } from '../../../kernel/app-error.js';
import { AddressGate } from '../../../platform/http/address-gate.js';
import { ActiveIpRules } from './active-ip-rules.service.js';

/** Made once: nothing of it depends on the request. */
const BLOCKED = new AddressBlockedError();

/** Keeps blocked addresses out at the edge: of every route, and of what has none. The health pair stays open. */
@Injectable()
export class IpGate implements OnModuleInit {
  /** Requests refused since start. */
  readonly stats = { blocked: 0 };

  constructor(
    private readonly gate: AddressGate,
    private readonly rules: ActiveIpRules,
  ) {}

  onModuleInit(): void {
    this.gate.guardBy((address) => {
      if (!this.rules.blocks(address)) return null;
      this.stats.blocked += 1;
      return BLOCKED;
    });
  }
}
