import { ValidateBy, type ValidationOptions } from 'class-validator';
import { isId } from '../../kernel/ids.js';
import { isEmailAddress } from './email-address.js';

const MAX_NAME_CHARACTERS = 128;
export const MAX_ROLES = 16;
/** Controls, and marks that turn the direction in which what follows is read: a name must not rewrite a line it is in. */
const FORBIDDEN_IN_NAMES = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;
const VISIBLE = /[^\p{Z}\p{C}]/u;

/** 1 to 128 characters (code points), at least one of them visible; see above for what is not taken. */
export const IsPersonName = check(
  'isPersonName',
  `must be a text of 1 to ${MAX_NAME_CHARACTERS} characters without control and direction marks`,
  (value) =>
    typeof value === 'string' &&
    value.length <= MAX_NAME_CHARACTERS * 2 &&
    [...value].length <= MAX_NAME_CHARACTERS &&
    value.isWellFormed() &&
    VISIBLE.test(value) &&
    !FORBIDDEN_IN_NAMES.test(value),
);

/** An address that mail can be sent to. */
export const IsEmailAddress = check('isEmailAddress', 'must be an e-mail address like ada@example.com', isEmailAddress);

/** What the name of a tier looks like; whether there is such a tier is for the settings to say. */
export const IsUserTier = check(
  'isUserTier',
  'must be the name of a tier',
  (value) => typeof value === 'string' && /^[a-z][a-z0-9_-]{0,31}$/.test(value),
);

/** Ids of roles, none twice. */
export const IsRoleIdList = check(
  'isRoleIdList',
  `must be a list of at most ${MAX_ROLES} different ids of roles`,
  (value) =>
    Array.isArray(value) &&
    value.length <= MAX_ROLES &&
    value.every((id) => typeof id === 'string' && isId('rol', id)) &&
    new Set(value).size === value.length,
);

/** Text, whatever it is: what a password may be is said by the policy, and of a token no more than that it is not valid. */
export const IsSecretText = check('isSecretText', 'must be a text', (value) => typeof value === 'string');

function check(name: string, expected: string, test: (value: unknown) => boolean) {
  return (options?: ValidationOptions) =>
    ValidateBy({ name, validator: { validate: test, defaultMessage: () => expected } }, options);
}
