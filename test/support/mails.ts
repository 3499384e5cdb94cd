import { MailDelivery } from '../../src/platform/mail/mail-delivery.js';
import type { TestApp } from './app.js';
import { eventually } from './eventually.js';
import type { SmtpServer, TakenMail } from './smtp-server.js';

/** The next mail to an address; the job that sends it is not waited for. It is not given again. */
export async function nextMailTo(core: TestApp, smtp: SmtpServer, address: string): Promise<TakenMail> {
  const position = () => smtp.taken.findIndex(({ to }) => to.includes(`<${address}>`));
  await eventually(async () => {
    await core.app.get(MailDelivery, { strict: false }).deliverDue();
    return position() !== -1;
  });
  const [mail] = smtp.taken.splice(position(), 1);
  if (mail === undefined) throw new Error('The mail is gone.');
  return mail;
}

/** The one-time token in a mail. */
export function tokenIn({ source }: TakenMail): string {
  const [token] = /ott_[\w-]{43}/.exec(source) ?? [];
  if (token === undefined) throw new Error('There is no token in this mail.');
  return token;
}
