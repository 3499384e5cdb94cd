import { parseArgs } from 'node:util';
import { InvalidRequestError } from '../../kernel/app-error.js';
import { inOptions, readWords, single, TEXT_OPTION, UsageError } from '../../platform/command-line/command-words.js';
import { validateBody } from '../../platform/http/json-body.js';
import { CreateUserDto } from './users.dto.js';
import type { NewUser } from './users.service.js';

/** What the command line was asked for. */
export interface UsersCommand {
  readonly action: 'create';
  readonly json: boolean;
  readonly user: NewUser;
  readonly isOwner: boolean;
  /** The password is the first line of what comes in. */
  readonly readsPassword: boolean;
}

export const USERS_USAGE =
  '  users create --email <address> [--name <name>] [--tier <tier>] [--role owner] [--password-stdin] [--json]';

const OPTIONS = {
  json: { type: 'boolean' },
  email: TEXT_OPTION,
  name: TEXT_OPTION,
  tier: TEXT_OPTION,
  role: TEXT_OPTION,
  'password-stdin': { type: 'boolean' },
} as const;

const OPTION_OF: Readonly<Record<string, string>> = {
  'body.email': '--email',
  'body.name': '--name',
  'body.tier': '--tier',
  'body.password': 'the password',
};

/**
 * Reads the words after `users`. What a field may hold is what the HTTP route lets it hold.
 *
 * @throws UsageError saying which word or option is wrong.
 */
export async function parseUsersCommand(words: readonly string[]): Promise<UsersCommand> {
  const [action, ...args] = words;
  if (action !== 'create')
    throw new UsageError(action === undefined ? 'users takes create.' : 'users knows no such action.');
  const { values } = readWords(() => parseArgs({ args, options: OPTIONS, strict: true }));
  const role = single('role', values.role);
  if (role !== undefined && role !== 'owner')
    throw new UsageError('--role may be owner; an owner gives other roles over HTTP.');
  const document = {
    email: single('email', values.email),
    name: single('name', values.name),
    tier: single('tier', values.tier),
  };
  try {
    const { email, name, tier } = await validateBody(document, CreateUserDto);
    return {
      action,
      json: values.json ?? false,
      user: { email, ...(name !== undefined && { name }), ...(tier !== undefined && { tier }) },
      isOwner: role === 'owner',
      readsPassword: values['password-stdin'] ?? false,
    };
  } catch (error) {
    throw error instanceof InvalidRequestError ? new UsageError(`${inUserOptions(error)}.`) : error;
  }
}

/** A refusal in the words of the command line. */
export function inUserOptions(error: InvalidRequestError): string {
  return inOptions(error, OPTION_OF);
}
