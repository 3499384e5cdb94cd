import { Injectable } from '@nestjs/common';
import type { HttpReply } from '../../platform/http/http-request.js';
import { answerChange, presentPending } from '../../platform/http/pending-change.js';
import { IdempotencyService, type Mint } from '../../platform/idempotency/idempotency.service.js';
import { callWith, type IdempotentCaller, markReplayed } from '../../platform/idempotency/idempotent-call.js';
import { type AnsweredRotation, presentRotation, type RotatedSecretView } from './client-secret-view.js';
import { ClientSecretsService, type NewSecret, type RotatedClient } from './client-secrets.service.js';
import { type CreatedClientView, presentCreatedClient } from './client-view.js';
import { ClientsService, type CreatedClient } from './clients.service.js';
import type { Grantor } from './grantor.js';

/** A request that mints a secret. */
export interface MintingCall {
  readonly reply: HttpReply;
  readonly grantor: Grantor;
  /** Null when no `Idempotency-Key` was sent. */
  readonly caller: IdempotentCaller | null;
  readonly body: object;
}

/** How requests that mint a secret are answered, at whichever door they came in. */
@Injectable()
export class ClientAnswers {
  constructor(
    private readonly clients: ClientsService,
    private readonly secrets: ClientSecretsService,
    private readonly idempotency: IdempotencyService,
  ) {}

  /** 201 with a credential in clear: made now, or given once more to whoever may still be shown it. */
  async created(
    { reply, grantor, caller, body }: MintingCall,
    create: (mint: Mint<CreatedClient>) => Promise<CreatedClient>,
  ): Promise<CreatedClientView> {
    const given = await this.idempotency.once(
      callWith(caller, body),
      ({ client, credential }: CreatedClient) => presentCreatedClient(client, credential),
      create,
    );
    if (given.replayed) await this.clients.assertMayBeShown(grantor, given.answer.client_id);
    markReplayed(reply, given.replayed);
    return given.answer;
  }

  /** 201 with a new secret in clear; 202 while secrets that were to end at once may not have ended everywhere. */
  async rotated(
    { reply, grantor, caller, body }: MintingCall,
    clientId: string,
    input: NewSecret,
  ): Promise<RotatedSecretView> {
    const { answer, replayed } = await this.idempotency.once<RotatedClient, AnsweredRotation>(
      callWith(caller, body),
      presentRotation,
      (mint) => this.secrets.rotate(grantor, clientId, input, mint),
    );
    if (replayed) await this.clients.assertMayBeShown(grantor, clientId);
    markReplayed(reply, replayed);
    const propagation = await this.secrets.follow(clientId, answer.change);
    if (input.expirePreviousInSeconds === 0) return answerChange(reply, answer.view, propagation);
    return { ...answer.view, ...presentPending(propagation) };
  }
}
