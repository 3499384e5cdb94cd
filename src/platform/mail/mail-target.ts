import { InvalidSettingsError } from '../config/load-settings.js';

/** Where mail goes, as `MAIL_URL` says. */
export type MailTarget =
  | { readonly kind: 'folder'; readonly directory: string }
  | {
      readonly kind: 'smtp';
      readonly host: string;
      readonly port: number;
      /** TLS from the first byte; else it is taken up where the server offers it. */
      readonly secure: boolean;
      readonly auth: { readonly user: string; readonly pass: string } | null;
      /** A password crosses no network in the clear: no TLS, no mail. */
      readonly requireTLS: boolean;
    };

const FOLDER = 'folder:';
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** RFC 8314: submission with TLS, and without. */
const SUBMISSIONS_PORT = 465;
const SMTP_PORT = 25;

/** @throws InvalidSettingsError, which holds nothing of the value, when it is no such URL. */
export function readMailTarget(url: string): MailTarget {
  if (url.startsWith(FOLDER)) return { kind: 'folder', directory: url.slice(FOLDER.length) };
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !/^smtps?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new InvalidSettingsError(['MAIL_URL: must be an smtp:// or smtps:// URL, or folder:<directory>']);
  const secure = parsed.protocol === 'smtps:';
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const auth = parsed.username === '' ? null : { user: decoded(parsed.username), pass: decoded(parsed.password) };
  return {
    kind: 'smtp',
    host,
    port: parsed.port === '' ? (secure ? SUBMISSIONS_PORT : SMTP_PORT) : Number(parsed.port),
    secure,
    auth,
    requireTLS: auth !== null && !secure && !LOOPBACK.test(host),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidSettingsError(['MAIL_URL: a % in the user or the password is written %25']);
  }
}
