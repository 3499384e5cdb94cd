import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { createTransport } from 'nodemailer';
import { Settings } from '../config/settings.js';
import { assertNoInjection, type MailMessage } from './mail-message.js';
import { type MailTarget, readMailTarget } from './mail-target.js';

const CONNECT_TIMEOUT_MS = 5_000;
const SOCKET_TIMEOUT_MS = 10_000;
/** The longest that one mail is tried for, whatever the server does. */
export const SEND_DEADLINE_MS = 20_000;

const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/** How nodemailer reads what it is given: nothing of a message is taken for a file or an address to fetch. */
const NOTHING_FETCHED = { disableFileAccess: true, disableUrlAccess: true } as const;

/** Takes mail to an SMTP server (RFC 5321), or to a folder: one `.eml` file each (RFC 5322) that its owner alone can read. */
@Injectable()
export class MailTransport {
  readonly #deliver: (id: string, message: MailMessage) => Promise<void>;

  constructor(settings: Settings) {
    const target = readMailTarget(settings.MAIL_URL);
    const from = settings.MAIL_FROM;
    this.#deliver = target.kind === 'folder' ? intoFolder(target.directory, from) : overSmtp(target, from);
  }

  /**
   * Resolves when the server has taken the mail, or the file is written; within twenty seconds it rejects otherwise.
   * Neither a password nor the mail is in what it rejects with.
   */
  async deliver(id: string, message: MailMessage): Promise<void> {
    assertNoInjection(message);
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(failure('ETIMEDOUT')), SEND_DEADLINE_MS);
    });
    try {
      await Promise.race([this.#deliver(id, message), deadline]);
    } catch (error) {
      // nodemailer's errors carry the server's answer, which may quote the mail: a code says enough.
      throw failure(codeOf(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** An object and not a text: of a text with a comma in it, nodemailer makes two addresses. */
function fields(message: MailMessage, from: string) {
  return {
    from,
    to: { name: '', address: message.to },
    subject: message.subject,
    text: message.text,
    // RFC 3834: no answering machine answers.
    headers: { 'Auto-Submitted': 'auto-generated' },
    ...NOTHING_FETCHED,
  };
}

function overSmtp(target: Extract<MailTarget, { kind: 'smtp' }>, from: string) {
  const { host, port, secure, requireTLS, auth } = target;
  const transport = createTransport({
    host,
    port,
    secure,
    requireTLS,
    ...(auth !== null && { auth: { ...auth } }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    dnsTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  });
  return async (_id: string, message: MailMessage): Promise<void> => {
    await transport.sendMail(fields(message, from));
  };
}

function intoFolder(directory: string, from: string) {
  const transport = createTransport({ streamTransport: true, buffer: true });
  return async (id: string, message: MailMessage): Promise<void> => {
    const { message: bytes } = await transport.sendMail(fields(message, from));
    await mkdir(directory, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
    const time = new Date().toISOString().replaceAll(':', '-');
    await writeFile(path.join(directory, `${time}-${id}.eml`), bytes as Buffer, { mode: OWNER_ONLY_FILE, flag: 'wx' });
  };
}

function failure(code: string): Error {
  return Object.assign(new Error('The mail could not be delivered.'), { code });
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : 'EUNKNOWN';
}
