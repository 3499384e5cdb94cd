import { Injectable } from '@nestjs/common';
import type { Refusal } from './refusal.js';

/**
 * The edge's door for whoever keeps addresses out. It is asked about every request, those included that have no route
 * and those that need no credential; the health pair is not refused. Until somebody takes it, everybody gets in.
 */
@Injectable()
export class AddressGate {
  #refusalOf: (address: string) => Refusal | null = () => null;

  /** Takes the door. `refusalOf` is synchronous and cheap, and never throws. */
  guardBy(refusalOf: (address: string) => Refusal | null): void {
    this.#refusalOf = refusalOf;
  }

  /** Why requests from this address are refused, or null. */
  refusalOf(address: string): Refusal | null {
    return this.#refusalOf(address);
  }
}
