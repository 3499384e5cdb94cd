import { AUDIT_ACTIONS, type AuditAction } from './audit-actions.js';

/** What a detail may be: no objects, so that nothing is stored whole. */
export type AuditValue = string | number | boolean | null | readonly (string | number)[];

export type AuditDetails<Action extends AuditAction> = Readonly<
  Partial<Record<(typeof AUDIT_ACTIONS)[Action][number], AuditValue>>
>;

const MAX_TEXT = 512;
const MAX_ITEMS = 64;
/** An api key, a refresh token, the token of a mail, or a token of three parts. */
const CREDENTIAL =
  /cn_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{30,36}|cnr_[0-9A-Za-z]{30,}|ott_[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;

/** The details of an action as they are stored: listed names only, texts cut, and no credential even by mistake. */
export function storedDetails<Action extends AuditAction>(
  action: Action,
  details: AuditDetails<Action>,
): Record<string, AuditValue> {
  const given: Readonly<Record<string, AuditValue | undefined>> = details;
  const stored: Record<string, AuditValue> = {};
  for (const name of AUDIT_ACTIONS[action]) {
    const value = given[name];
    if (value !== undefined) stored[name] = storedValue(value);
  }
  return stored;
}

function storedValue(value: AuditValue): AuditValue {
  if (typeof value === 'string') return storedText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value === null || typeof value === 'boolean') return value;
  return value.slice(0, MAX_ITEMS).map((item) => (typeof item === 'string' ? storedText(item) : item));
}

/** A text as it is stored: cut, without a credential, and such as jsonb takes: neither NUL nor half a surrogate pair. */
export function storedText(text: string): string {
  return text.slice(0, MAX_TEXT).toWellFormed().replaceAll('\u0000', '').replace(CREDENTIAL, '[redacted]');
}
