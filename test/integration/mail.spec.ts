import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { servingOptions } from '../../src/platform/database/data-source.js';
import type { PeriodicService } from '../../src/platform/jobs/periodic.service.js';
import { MailService } from '../../src/platform/mail/mail.service.js';
import { MailDelivery } from '../../src/platform/mail/mail-delivery.js';
import { MailOutboxRepository } from '../../src/platform/mail/mail-outbox.repository.js';
import { MailTransport } from '../../src/platform/mail/mail-transport.js';
import { buildSettings } from '../support/build-settings.js';
import { SmtpServer } from '../support/smtp-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const KIND = 'greeting';

let database: TestDatabase;
let source: DataSource;
const smtp = new SmtpServer();

beforeAll(async () => {
  database = await createTestDatabase();
  source = await new DataSource(servingOptions(database.url, 4)).initialize();
});
beforeEach(async () => {
  await database.query('TRUNCATE mail_outbox');
  smtp.taken.length = 0;
  smtp.silent = false;
  smtp.recipientReply = '250 OK';
  await smtp.stop();
  await smtp.start();
});
afterAll(async () => {
  await smtp.stop();
  await source?.destroy();
  await database?.drop();
});

/** A replica that sends mail when it is told to; its mails say whom they greet. */
function buildReplica(url = smtp.url, compose = greeting) {
  const outbox = new MailOutboxRepository(source);
  const mail = new MailService(outbox);
  mail.compose(KIND, compose);
  const byHand = { every: jest.fn() } as unknown as PeriodicService;
  const transport = new MailTransport(buildSettings({ MAIL_URL: url, MAIL_FROM: 'core-nest <no-reply@example.com>' }));
  return { mail, delivery: new MailDelivery(outbox, mail, transport, byHand), periodic: byHand };
}

async function greeting({ to = '', name = '' }: Readonly<Record<string, string>>) {
  return { to, subject: 'Hello', text: `Hello ${name}.\n` };
}

const waiting = () =>
  database.query<{ attempts: number; seconds: number }>(
    `SELECT attempts, extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM mail_outbox ORDER BY id`,
  );
const makeDue = () => database.query('UPDATE mail_outbox SET next_attempt_at = now()');

describe('mail over SMTP', () => {
  it('leaves once its transaction has committed, and never when it did not', async () => {
    const { mail, delivery } = buildReplica();
    await source.transaction(async (transaction) => {
      await mail.send(KIND, { to: 'ada@example.com', name: 'Ada' }, transaction);
      await delivery.deliverDue();
      expect(smtp.taken).toEqual([]);
    });
    const failed = source.transaction(async (transaction) => {
      await mail.send(KIND, { to: 'bob@example.com', name: 'Bob' }, transaction);
      throw new Error('undone');
    });
    await expect(failed).rejects.toThrow('undone');
    await delivery.deliverDue();
    expect(smtp.taken).toEqual([
      { from: '<no-reply@example.com>', to: ['<ada@example.com>'], source: expect.stringContaining('Hello Ada.') },
    ]);
    expect(smtp.taken[0]?.source).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(await waiting()).toEqual([]);
    expect(delivery.stats).toEqual({ sent: 1, failed: 0, given_up: 0 });
  });

  it('loses nothing while the server is away: it waits longer and longer, and arrives', async () => {
    const { mail, delivery } = buildReplica();
    await smtp.stop();
    for (const name of ['Ada', 'Bob', 'Cyd']) await mail.send(KIND, { to: `${name}@example.com`, name });
    for (const wait of [2, 4, 8]) {
      await delivery.deliverDue();
      const rows = await waiting();
      expect(rows).toHaveLength(3);
      for (const { seconds } of rows) expect(Math.abs(seconds - wait)).toBeLessThan(2);
      await delivery.deliverDue();
      expect(await waiting()).toHaveLength(3);
      await makeDue();
    }
    expect(delivery.stats).toEqual({ sent: 0, failed: 9, given_up: 0 });
    await smtp.start();
    await delivery.deliverDue();
    expect(smtp.taken.map(({ to }) => to[0]).sort()).toEqual([
      '<Ada@example.com>',
      '<Bob@example.com>',
      '<Cyd@example.com>',
    ]);
    expect(await waiting()).toEqual([]);
  });

  it('tries again what the server refuses, and gives up after a day', async () => {
    const { mail, delivery } = buildReplica();
    smtp.recipientReply = '550 nobody of that name: canary';
    await mail.send(KIND, { to: 'nobody@example.com' });
    await delivery.deliverDue();
    expect(await waiting()).toHaveLength(1);
    await database.query(`UPDATE mail_outbox SET next_attempt_at = now(), created_at = now() - interval '25 hours'`);
    await delivery.deliverDue();
    expect(await waiting()).toEqual([]);
    expect(delivery.stats).toEqual({ sent: 0, failed: 2, given_up: 1 });
  });

  it('is not held up for ever by a server that says nothing, and does not tell what it says', async () => {
    smtp.silent = true;
    const transport = new MailTransport(buildSettings({ MAIL_URL: smtp.url }));
    const started = performance.now();
    const delivered = transport.deliver('1', { to: 'ada@example.com', subject: 'Hello', text: 'canary' });
    await expect(delivered).rejects.toMatchObject({ message: 'The mail could not be delivered.', code: 'ETIMEDOUT' });
    expect(performance.now() - started).toBeLessThan(15_000);
    smtp.silent = false;
    smtp.recipientReply = '550 canary';
    const refused = transport.deliver('1', { to: 'ada@example.com', subject: 'Hello', text: 'canary' });
    await expect(refused).rejects.toMatchObject({ message: 'The mail could not be delivered.', code: 'EENVELOPE' });
  });

  it('is sent once, however many replicas look for mail at once', async () => {
    const replicas = [buildReplica(), buildReplica(), buildReplica()];
    for (let i = 0; i < 40; i++) await replicas[0]?.mail.send(KIND, { to: `user${i}@example.com` });
    await Promise.all(replicas.map(({ delivery }) => delivery.deliverDue()));
    await replicas[0]?.delivery.deliverDue();
    expect(new Set(smtp.taken.map(({ to }) => to[0])).size).toBe(40);
    expect(smtp.taken).toHaveLength(40);
  });

  it('is one where the very same waits already', async () => {
    const { mail } = buildReplica();
    await Promise.all(Array.from({ length: 20 }, () => mail.send(KIND, { to: 'ada@example.com', name: 'Ada' })));
    await mail.send(KIND, { to: 'ada@example.com', name: 'Bob' });
    expect(await waiting()).toHaveLength(2);
  });

  it('is forgotten when there is nothing to say, and left to whoever knows its kind', async () => {
    const { mail, delivery } = buildReplica(smtp.url, (async () => null) as never);
    await mail.send(KIND, { to: 'ada@example.com' });
    await mail.send('of another release', { to: 'ada@example.com' });
    await delivery.deliverDue();
    expect(smtp.taken).toEqual([]);
    expect(await database.query('SELECT kind FROM mail_outbox')).toEqual([{ kind: 'of another release' }]);
    expect(await mail.write('of another release', {}, '1')).toBeNull();
  });

  it('goes to one address, whatever stands in it, and has no header but its own', async () => {
    const { mail, delivery } = buildReplica(smtp.url, (async () => ({
      to: 'ada@example.com,eve@example.com',
      subject: 'Hello',
      text: 'Bcc: eve@example.com\n\n.\nQUIT\n',
    })) as never);
    await mail.send(KIND, { to: 'x' });
    await delivery.deliverDue();
    for (const { to } of smtp.taken) expect(to).toHaveLength(1);
    for (const { source: text } of smtp.taken) expect(text.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/m);

    const breaking = buildReplica(smtp.url, (async () => ({
      to: 'ada@example.com',
      subject: 'Hello\r\nBcc: eve@example.com',
      text: '',
    })) as never);
    await breaking.mail.send(KIND, { to: 'y' });
    smtp.taken.length = 0;
    await breaking.delivery.deliverDue();
    expect(smtp.taken).toEqual([]);
  });

  it('is looked for every second, on one replica', () => {
    const { delivery, periodic } = buildReplica();
    delivery.onApplicationBootstrap();
    expect(periodic.every).toHaveBeenCalledWith('mail', 1_000, expect.any(Function), { once: true });
  });
});

describe('mail in a folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'core-nest-mail-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is a file each, that its owner alone can read', async () => {
    const directory = join(folder, 'made', 'here');
    const { mail, delivery } = buildReplica(`folder:${directory}`);
    await mail.send(KIND, { to: 'ada@example.com', name: 'Ada' });
    await mail.send(KIND, { to: 'bob@example.com', name: 'Bob' });
    await delivery.deliverDue();
    const files = await readdir(directory);
    expect(files).toHaveLength(2);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const file of files) {
      expect(file).toMatch(/^\d{4}-\d\d-\d\dT[\d.-]+Z-\d+\.eml$/);
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
      const text = await readFile(join(directory, file), 'utf8');
      expect(text).toMatch(/^To: (ada|bob)@example\.com\r?$/m);
      expect(text).toMatch(/Hello (Ada|Bob)\./);
    }
  });

  it('waits where the folder cannot be written to', async () => {
    const { mail, delivery } = buildReplica('folder:/dev/null/no');
    await mail.send(KIND, { to: 'ada@example.com' });
    await delivery.deliverDue();
    expect(await waiting()).toHaveLength(1);
    expect(delivery.stats.failed).toBe(1);
  });
});
