import { FREE_ATTEMPT } from '../../../test/support/attempts.js';
import {
  buildCredentialCheck,
  buildSecret,
  CLIENT_ID,
  type CredentialCheck,
  coldCheck,
  cost,
  OTHER_ID,
  presenting,
  warmCheck,
} from '../../../test/support/credential-fakes.js';
import { elapse, stopTime } from '../../../test/support/stopped-time.js';
import { InvalidApiKeyError } from '../../kernel/app-error.js';

const RECHECK_MS = 60_000;

async function refused({ service }: CredentialCheck, credential = presenting('right')): Promise<void> {
  const before = service.stats.refused;
  await expect((async () => service.verify(credential, FREE_ATTEMPT))()).rejects.toThrow(InvalidApiKeyError);
  expect(service.stats.refused).toBe(before + 1);
}

describe('CredentialService', () => {
  beforeEach(() => stopTime());
  afterEach(() => jest.useRealTimers());

  describe('refuses at the price of one bcrypt', () => {
    const soon = () => Date.now() + 5_000;

    it.each<[string, () => Promise<[CredentialCheck, string]>, number]>([
      ['a wrong secret, cold', async () => [coldCheck(), 'wrong'], 1],
      ['a wrong secret, warm', async () => [await warmCheck(), 'wrong'], 0],
      ['an unknown id', async () => [buildCredentialCheck(), 'right'], 1],
      [
        'a disabled client',
        async () => {
          const check = coldCheck();
          check.clients.change(CLIENT_ID, { status: 'disabled' });
          return [check, 'right'];
        },
        1,
      ],
      [
        'a client disabled since',
        async () => {
          const check = await warmCheck();
          check.clients.change(CLIENT_ID, { status: 'disabled' });
          await elapse(RECHECK_MS);
          return [check, 'right'];
        },
        1,
      ],
      [
        'a key whose owner is suspended',
        async () => {
          const check = coldCheck();
          check.clients.change(CLIENT_ID, { owner: { userId: 'usr_1', status: 'suspended', grants: [] } });
          return [check, 'right'];
        },
        1,
      ],
      [
        'a client deleted since',
        async () => {
          const check = await warmCheck();
          check.clients.records.clear();
          await elapse(RECHECK_MS);
          return [check, 'right'];
        },
        1,
      ],
      [
        'a client without secrets',
        async () => {
          const check = coldCheck();
          check.clients.change(CLIENT_ID, { secrets: [] });
          return [check, 'right'];
        },
        1,
      ],
      [
        'a client that expired since, whatever is cached',
        async () => {
          const check = coldCheck();
          check.clients.change(CLIENT_ID, { expiresAt: soon() });
          await check.service.verify(presenting('right'), FREE_ATTEMPT);
          await elapse(5_000);
          return [check, 'right'];
        },
        0,
      ],
      [
        'a secret that expired since, whatever is cached',
        async () => {
          const check = coldCheck();
          check.clients.change(CLIENT_ID, { secrets: [buildSecret('right', soon())] });
          await check.service.verify(presenting('right'), FREE_ATTEMPT);
          await elapse(5_000);
          return [check, 'right'];
        },
        0,
      ],
    ])('%s', async (_what, prepare, reads) => {
      const [check, text] = await prepare();
      expect(await cost(check, () => refused(check, presenting(text)))).toMatchObject({ reads, hashes: 1 });
    });

    it('and not a millisecond before the end', async () => {
      const check = coldCheck();
      check.clients.change(CLIENT_ID, { expiresAt: soon() });
      await check.service.verify(presenting('right'), FREE_ATTEMPT);
      await elapse(4_999);
      expect(check.service.verify(presenting('right'), FREE_ATTEMPT)).toMatchObject({
        client: { clientId: CLIENT_ID },
      });
    });
  });

  it.each<[string, Parameters<CredentialCheck['clients']['change']>[1], string]>([
    ['a disabled client', { status: 'disabled' }, 'right'],
    ['a client without secrets', { secrets: [] }, 'right'],
    ['a wrong secret', {}, 'wrong'],
  ])('reserves for %s as from an address it was right from', async (_what, changes, text) => {
    const check = coldCheck();
    check.clients.change(CLIENT_ID, { ...changes, usedFrom: ['192.0.2.1'] });
    const trusted: unknown[] = [];
    const attempt = {
      ...FREE_ATTEMPT,
      reserve: async (_subject: string, addresses: readonly string[] = []) => void trusted.push(addresses),
    };
    for (let round = 0; round < 2; round++)
      await expect((async () => check.service.verify(presenting(text), attempt))()).rejects.toThrow(InvalidApiKeyError);
    expect(trusted).toEqual([['192.0.2.1'], ['192.0.2.1']]);
  });

  it('remembers an unknown id for two seconds, and hashes for each who presents it', async () => {
    const check = buildCredentialCheck();
    await refused(check);
    await elapse(2_000);
    expect(await cost(check, () => refused(check))).toEqual({ reads: 0, hashes: 1, calls: 0 });
    expect(await cost(check, () => refused(check, presenting('right', OTHER_ID)))).toMatchObject({ reads: 1 });
    await elapse(1);
    expect(await cost(check, () => refused(check))).toMatchObject({ reads: 1, hashes: 1 });
  });

  it('remembers a bounded number of unknown ids', async () => {
    const check = buildCredentialCheck();
    const ids = Array.from({ length: 10_001 }, (_, index) => `cn_live_${String(index).padStart(12, '0')}`);
    await Promise.all(
      ids
        .map(async (id) => check.service.verify(presenting('right', id), FREE_ATTEMPT))
        .map((refusal) => refusal.catch(() => undefined)),
    );
    expect(await cost(check, () => refused(check, presenting('right', ids[0])))).toMatchObject({ reads: 1 });
    expect(await cost(check, () => refused(check, presenting('right', ids[10_000])))).toMatchObject({ reads: 0 });
  });
});
