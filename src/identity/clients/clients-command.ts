import { parseArgs } from 'node:util';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { inOptions, readWords, single, TEXT_OPTION, UsageError } from '../../platform/command-line/command-words.js';
import { validateBody } from '../../platform/http/json-body.js';
import { CreateClientDto, toNewClient } from './clients.dto.js';
import type { NewClient } from './clients.service.js';

/** What the command line was asked for. */
export type ClientsCommand =
  | { readonly action: 'create'; readonly json: boolean; readonly client: NewClient }
  | { readonly action: 'revoke'; readonly json: boolean; readonly clientId: string }
  | { readonly action: 'list'; readonly json: boolean };

export const CLIENTS_USAGE = `  clients create --name <name> [--tier <tier>] [--scope <scope>]… [--expires-at <RFC 3339 time>]
                 [--environment live|test] [--json]
  clients revoke <client_id> [--json]
  clients list [--json]`;

const JSON_FLAG = { json: { type: 'boolean' } } as const;
const CREATE_OPTIONS = {
  ...JSON_FLAG,
  name: TEXT_OPTION,
  tier: TEXT_OPTION,
  scope: TEXT_OPTION,
  'expires-at': TEXT_OPTION,
  environment: TEXT_OPTION,
} as const;

/** The options that fill the fields of a request, by the field. */
const OPTION_OF: Readonly<Record<string, string>> = {
  'body.name': '--name',
  'body.tier': '--tier',
  'body.scopes': '--scope',
  'body.expires_at': '--expires-at',
  'body.environment': '--environment',
};

/**
 * Reads the words after `clients`. What a field may hold is what the HTTP route lets it hold.
 *
 * @throws UsageError saying which word or option is wrong.
 */
export async function parseClientsCommand(words: readonly string[]): Promise<ClientsCommand> {
  const [action, ...rest] = words;
  if (action === 'create') return parseCreate(rest);
  if (action === 'revoke') {
    const { values, positionals } = readWords(() =>
      parseArgs({ args: rest, options: JSON_FLAG, allowPositionals: true, strict: true }),
    );
    const [clientId] = positionals;
    if (clientId === undefined || positionals.length > 1) throw new UsageError('clients revoke takes one client_id.');
    return { action, json: values.json ?? false, clientId };
  }
  if (action === 'list') {
    const { values } = readWords(() => parseArgs({ args: rest, options: JSON_FLAG, strict: true }));
    return { action, json: values.json ?? false };
  }
  throw new UsageError(
    action === undefined ? 'clients takes create, revoke or list.' : 'clients knows no such action.',
  );
}

/** The same refusal in the words of the command line. */
export function inOptionNames(error: InvalidRequestError): string {
  return inOptions(error, OPTION_OF);
}

async function parseCreate(words: string[]): Promise<ClientsCommand> {
  const { values } = readWords(() => parseArgs({ args: words, options: CREATE_OPTIONS, strict: true }));
  const document = {
    name: single('name', values.name),
    tier: single('tier', values.tier),
    scopes: values.scope,
    expires_at: single('expires-at', values['expires-at']),
    environment: single('environment', values.environment),
  };
  try {
    const body = await validateBody(document, CreateClientDto);
    return { action: 'create', json: values.json ?? false, client: toNewClient(body) };
  } catch (error) {
    throw error instanceof InvalidRequestError ? new UsageError(`${inOptionNames(error)}.`) : error;
  }
}
