import { HttpStatus } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import type { Propagation } from '../replicas/change.js';
import type { HttpReply } from './http-request.js';

/** A change that not every replica has confirmed yet. */
export class PendingChangeView {
  @ApiProperty({ enum: ['pending'] }) propagation!: 'pending';
  @ApiProperty({ description: 'Replicas that have not confirmed it.' }) replicas_pending!: number;
  @ApiProperty({ description: 'Seconds within which each of them acts on it.' }) bounded_by_seconds!: number;
}

/** What is said of a change that is not in force everywhere; null when it is. */
export function presentPending(propagation: Propagation): PendingChangeView | null {
  if (propagation.propagation === 'complete') return null;
  return {
    propagation: 'pending',
    replicas_pending: propagation.replicas,
    bounded_by_seconds: propagation.boundedBySeconds,
  };
}

/** The answer of a route that ends something: 204, or 202 while not every replica has confirmed it. */
export function answerEnd(reply: HttpReply, propagation: Propagation): PendingChangeView | undefined {
  const pending = presentPending(propagation);
  if (pending === null) return undefined;
  reply.status(HttpStatus.ACCEPTED);
  return pending;
}

/** The answer of a route that changes something: 200 with `view`, or 202 with what is pending beside it. */
export function answerChange<View extends object>(
  reply: HttpReply,
  view: View,
  propagation: Propagation,
): View | (View & PendingChangeView) {
  const pending = presentPending(propagation);
  if (pending === null) return view;
  reply.status(HttpStatus.ACCEPTED);
  return { ...view, ...pending };
}
