import { Injectable } from '@nestjs/common';
import type { CommandResult } from '../../platform/command-line/command-words.js';
import { type ClientView, presentCreatedClient } from './client-view.js';
import { ClientsService, type NewClient } from './clients.service.js';
import type { ClientsCommand } from './clients-command.js';
import { ClientsListService } from './clients-list.service.js';
import { OPERATOR } from './grantor.js';

/** The commands on clients: the same rules and promises as over HTTP, straight to PostgreSQL. */
@Injectable()
export class ClientsCommandService {
  constructor(
    private readonly clients: ClientsService,
    private readonly lists: ClientsListService,
  ) {}

  /** Does what was asked for; throws what {@link ClientsService} throws. */
  run(command: ClientsCommand): Promise<CommandResult> {
    if (command.action === 'create') return this.#create(command.client);
    if (command.action === 'revoke') return this.#revoke(command.clientId);
    return this.#list();
  }

  async #create(input: NewClient): Promise<CommandResult> {
    const { client, credential } = await this.clients.create(OPERATOR, input);
    const json = presentCreatedClient(client, credential);
    const lines = [
      `Made the client "${json.name}": tier ${json.tier}, scopes ${json.scopes.join(' ') || 'none'}.`,
      '',
      `  client_id      ${json.client_id}`,
      `  client_secret  ${json.client_secret}`,
      `  api_key        ${json.api_key}`,
      '',
      'The secret is shown this once and is kept nowhere.',
    ];
    return { json, text: lines.join('\n') };
  }

  async #revoke(clientId: string): Promise<CommandResult> {
    const outcome = await this.clients.revoke(OPERATOR, clientId);
    const revoked = { client_id: clientId, revoked: true, propagation: outcome.propagation };
    if (outcome.propagation === 'complete')
      return { json: revoked, text: `Revoked ${clientId}: no request that starts from now on is accepted.` };
    return {
      json: { ...revoked, replicas_pending: outcome.replicas, bounded_by_seconds: outcome.boundedBySeconds },
      text: `Revoked ${clientId}: ${outcome.replicas} replicas have not confirmed; each refuses it within ${outcome.boundedBySeconds} seconds.`,
    };
  }

  async #list(): Promise<CommandResult> {
    const data: ClientView[] = [];
    for await (const page of this.lists.pages()) data.push(...page);
    const lines = data.map((client) =>
      [client.client_id, client.status, client.tier, client.scopes.join(','), client.name].join('  '),
    );
    return { json: { data }, text: lines.join('\n') || 'There are no clients yet.' };
  }
}
