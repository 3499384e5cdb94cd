import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  buildRecord,
  buildSecret,
  CLIENT_ID,
  type CredentialCheck,
  coldCheck,
  presenting,
} from '../../../test/support/credential-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';

const RECHECK_MS = 60_000;

const verify = async ({ service }: CredentialCheck, text: string) => service.verify(presenting(text), FREE_ATTEMPT);

describe('CredentialService notes the use of a secret', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  it('that is first presented while another one keeps the entry fresh in Redis', async () => {
    const check = coldCheck();
    check.clients.change(CLIENT_ID, buildRecord({ secrets: [buildSecret('right'), buildSecret('nightly')] }));
    await verify(check, 'right');
    await verify(check, 'nightly');
    expect([check.clients.reads, check.uses]).toEqual([1, ['id of right', 'id of nightly']]);

    const other = buildCredentialCheck({ redis: check.redis, clients: check.clients });
    await verify(other, 'nightly');
    expect([check.clients.reads, other.uses]).toEqual([1, ['id of nightly']]);
  });

  it('while PostgreSQL is away', async () => {
    const check = coldCheck();
    await verify(check, 'right');
    await elapse(RECHECK_MS);
    check.clients.away = true;
    await verify(check, 'right');
    expect([check.service.stats.stale, check.uses]).toEqual([1, ['id of right', 'id of right']]);
  });
});
