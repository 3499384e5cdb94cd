import { inspect } from 'node:util';
import { InvalidRequestError, NotFoundError, PermissionDeniedError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import type { Secret } from '../../kernel/secret.js';
import { Settings } from '../../platform/config/settings.js';
import type { Propagation } from '../../platform/replicas/change.js';
import type { AuditEvent } from '../../records/audit/audit.service.js';
import { parseApiKey } from './api-key.js';
import type { Client } from './client-rows.repository.js';
import type { ClientChanges, ClientToInsert, SecretToInsert } from './clients.repository.js';
import { ClientsService } from './clients.service.js';
import { type Grantor, OPERATOR } from './grantor.js';
import type { CredentialChange } from './revocations.js';

const NOW = Date.UTC(2026, 0, 1);
const ID = 'cn_live_0123456789AB';
const grantor = (...scopes: string[]): Grantor => ({ ...OPERATOR, scopes });
const ADMIN = OPERATOR;
const WRITER = grantor('clients:write', 'clients:delete', 'llm:invoke');

const PENDING: Propagation = { propagation: 'pending', replicas: 1, boundedBySeconds: 60 };

class StoppedClock extends Clock {
  override now(): number {
    return NOW;
  }
}

const buildClient = (overrides: Partial<Client> = {}): Client => ({
  clientId: ID,
  name: 'a client',
  environment: 'live',
  tier: 'paid',
  scopes: ['llm:invoke'],
  status: 'active',
  ownerId: null,
  allowedAddresses: null,
  allowedModels: null,
  allowedProviders: null,
  expiresAt: null,
  leakReportedAt: null,
  createdAt: new Date(NOW),
  updatedAt: new Date(NOW),
  secrets: [],
  ...overrides,
});

/** The service over a store of one client, telling what it asked of the others. */
function setUp(stored: Client | null = buildClient(), propagation: Propagation = { propagation: 'complete' }) {
  const calls: string[] = [];
  const inserted: { client: ClientToInsert; secret: SecretToInsert }[] = [];
  const repository = {
    insert: async (client: ClientToInsert, secret: SecretToInsert) => {
      inserted.push({ client, secret });
      return buildClient(client);
    },
    find: async () => {
      calls.push('find');
      return stored;
    },
    change: async (_id: string, decide: (current: Client) => ClientChanges) => {
      if (stored === null) return null;
      const client = buildClient({ ...stored, ...decide(stored) });
      calls.push('commit');
      return { client, version: '7', changeId: '70' };
    },
    remove: async (_id: string, decide: (current: Client) => void) => {
      if (stored === null) return null;
      decide(stored);
      calls.push('commit');
      return { version: '8', changeId: '80' };
    },
  };
  const hasher = { hash: async (secret: Secret) => `hash of ${secret.reveal().length}` };
  const revocations = {
    follow: async ({ clientId, version, changeId }: CredentialChange) => {
      calls.push(`follow ${clientId} ${version} ${changeId}`);
      return propagation;
    },
  };
  const transactions = { run: (work: (transaction: object) => unknown) => work({}) };
  const recorded: AuditEvent[] = [];
  const audit = { record: async (event: AuditEvent) => recorded.push(event) };
  const settings = Object.assign(new Settings(), { RATE_LIMITS: 'general.gold=9/1' });
  const args = [repository, hasher, revocations, new StoppedClock(), transactions, audit, settings];
  const service = new ClientsService(...(args as unknown as ConstructorParameters<typeof ClientsService>));
  return { service, calls, inserted, recorded };
}

describe('create', () => {
  it('takes the defaults of the contract', async () => {
    const { service, inserted } = setUp();
    await service.create(ADMIN, { name: 'a' });
    expect(inserted[0]?.client).toMatchObject({
      name: 'a',
      tier: 'paid',
      scopes: ['llm:invoke'],
      environment: 'live',
      expiresAt: null,
    });
  });

  it('stores the hash of the 30 characters, and the secret nowhere', async () => {
    const { service, inserted } = setUp();
    const { credential } = await service.create(ADMIN, { name: 'a', environment: 'test' });
    const { client, secret } = inserted[0] ?? {};
    expect(secret).toEqual({
      id: expect.stringMatching(/^sec_[0-9A-Za-z]{16}$/),
      hashedSecret: 'hash of 30',
      hint: credential.apiKey.reveal().slice(-4),
    });
    expect(client?.clientId).toMatch(/^cn_test_/);
    expect(parseApiKey(credential.apiKey.reveal())?.clientId).toBe(client?.clientId);
    expect(inspect(inserted, { depth: 9 })).not.toContain(credential.secret.reveal());
  });

  it.each([
    ['an unknown tier', { tier: 'platinum' }, 'body.tier', 'must be one of free, paid, gold'],
    ['an end that is now', { expiresAt: new Date(NOW) }, 'body.expires_at', 'must be in the future'],
    ['an end that is past', { expiresAt: new Date(NOW - 1) }, 'body.expires_at', 'must be in the future'],
  ])('refuses %s', async (_what, fields, location, message) => {
    const { service, inserted } = setUp();
    const made = service.create(ADMIN, { name: 'a', ...fields });
    await expect(made).rejects.toThrow(InvalidRequestError);
    await expect(made).rejects.toMatchObject({ code: 'invalid_request', errors: [{ location, message }] });
    expect(inserted).toEqual([]);
  });

  it('takes a tier that the settings name, and an end a millisecond ahead', async () => {
    const { service, inserted } = setUp();
    await service.create(ADMIN, { name: 'a', tier: 'gold', expiresAt: new Date(NOW + 1) });
    expect(inserted).toHaveLength(1);
  });

  it.each([[['admin']], [['llm:invoke', 'logs:read']], [['clients:read']]])(
    'gives nobody a scope that the grantor lacks: %j',
    async (scopes) => {
      const { service, inserted } = setUp();
      const made = service.create(WRITER, { name: 'a', scopes });
      await expect(made).rejects.toThrow(PermissionDeniedError);
      const missing = scopes.find((scope) => !WRITER.scopes.includes(scope));
      await expect(made).rejects.toThrow(`You cannot grant the scope "${missing}", which you do not hold yourself.`);
      expect(inserted).toEqual([]);
    },
  );

  it('holds the default scopes to the same rule', async () => {
    const { service } = setUp();
    await expect(service.create(grantor('clients:write'), { name: 'a' })).rejects.toThrow(PermissionDeniedError);
    await expect(service.create(grantor('clients:write'), { name: 'a', scopes: [] })).resolves.toBeDefined();
  });
});

describe('allow-lists', () => {
  const lists = { allowedAddresses: ['10.0.0.0/8'], allowedModels: ['openai/*'], allowedProviders: ['openai'] };
  const limited: Grantor = { ...ADMIN, ...lists };

  it('are those of the grantor where none is asked for', async () => {
    const { service, inserted } = setUp();
    await service.create(limited, { name: 'a' });
    await service.create(ADMIN, { name: 'b' });
    expect(inserted[0]?.client).toMatchObject(lists);
    expect(inserted[1]?.client).toMatchObject({ allowedAddresses: null, allowedModels: null, allowedProviders: null });
  });

  it('are taken as they are asked for, within those of the grantor', async () => {
    const { service, inserted } = setUp();
    const asked = { allowedAddresses: ['10.1.0.0/16'], allowedModels: ['openai/gpt-4o'] };
    await service.create(limited, { name: 'a', ...asked });
    expect(inserted[0]?.client).toMatchObject({ ...asked, allowedProviders: ['openai'] });
  });

  it.each([
    ['allowed_addresses', { allowedAddresses: null }],
    ['allowed_addresses', { allowedAddresses: ['11.0.0.0/8'] }],
    ['allowed_models', { allowedModels: ['openai/*', 'fast'] }],
    ['allowed_providers', { allowedProviders: ['gemini'] }],
  ])('are never wider, whatever the scopes: %s', async (field, asked) => {
    const { service, inserted, calls } = setUp(buildClient({ ...lists }));
    const refusal = `You cannot grant ${field} that are wider than your own.`;
    await expect(service.create(limited, { name: 'a', ...asked })).rejects.toThrow(refusal);
    await expect(service.update(limited, ID, asked)).rejects.toThrow(refusal);
    await expect(service.update(limited, ID, asked)).rejects.toThrow(PermissionDeniedError);
    expect([inserted, calls]).toEqual([[], []]);
  });

  it('keep hands off clients that have wider ones, or none', async () => {
    const { service, calls } = setUp(buildClient({ ...lists, allowedAddresses: null }));
    await expect(service.update(limited, ID, { status: 'disabled' })).rejects.toThrow('change a client with');
    await expect(service.revoke(limited, ID)).rejects.toThrow('revoke a client with allowed_addresses');
    expect(calls).toEqual([]);
  });

  it('can be narrowed, and lifted by who has none', async () => {
    const { service } = setUp(buildClient({ ...lists }));
    const narrowed = await service.update(limited, ID, { allowedAddresses: ['10.0.0.1'] });
    expect(narrowed.client.allowedAddresses).toEqual(['10.0.0.1']);
    expect((await service.update(ADMIN, ID, { allowedModels: null })).client.allowedModels).toBeNull();
  });
});

describe('the audit log', () => {
  it('hears of what was made, changed and revoked, by whom', async () => {
    const { service, recorded } = setUp();
    const { client } = await service.create(WRITER, { name: 'a' });
    await service.update(WRITER, ID, { name: 'b', expiresAt: new Date(NOW + 5), allowedModels: ['fast'] });
    await service.revoke(WRITER, ID);
    expect(recorded).toEqual([
      {
        action: 'client.create',
        origin: OPERATOR.origin,
        subject: { type: 'client', id: client.clientId },
        details: expect.objectContaining({ name: 'a', tier: 'paid', scopes: ['llm:invoke'], expires_at: null }),
      },
      {
        action: 'client.update',
        origin: OPERATOR.origin,
        subject: { type: 'client', id: ID },
        details: {
          changed: ['name', 'expires_at', 'allowed_models'],
          name: 'b',
          expires_at: '2026-01-01T00:00:00.005Z',
          allowed_models: ['fast'],
          previous_name: 'a client',
          previous_expires_at: null,
          previous_allowed_models: null,
        },
      },
      { action: 'client.revoke', origin: OPERATOR.origin, subject: { type: 'client', id: ID } },
    ]);
  });

  it('hears nothing of what was refused', async () => {
    const { service, recorded } = setUp(buildClient({ scopes: ['admin'] }));
    await expect(service.revoke(WRITER, ID)).rejects.toThrow();
    await expect(service.update(WRITER, ID, { name: 'b' })).rejects.toThrow();
    expect(recorded).toEqual([]);
  });
});

describe('update', () => {
  it('sees the change through once it is committed', async () => {
    const { service, calls } = setUp();
    const { client } = await service.update(ADMIN, ID, { status: 'disabled' });
    expect(client.status).toBe('disabled');
    expect(calls).toEqual(['commit', `follow ${ID} 7 70`]);
  });

  it('says how far it got', async () => {
    const { service } = setUp(buildClient(), PENDING);
    expect((await service.update(ADMIN, ID, { name: 'b' })).propagation).toEqual(PENDING);
  });

  it.each([[{}], [{ name: undefined }]])('refuses a change of nothing: %j', async (changes) => {
    const { service, calls } = setUp();
    await expect(service.update(ADMIN, ID, changes)).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ location: 'body', message: expect.stringContaining('at least one of name') }],
    });
    expect(calls).toEqual([]);
  });

  it('takes an end away by null', async () => {
    const { service } = setUp(buildClient({ expiresAt: new Date(NOW + 5) }));
    expect((await service.update(ADMIN, ID, { expiresAt: null })).client.expiresAt).toBeNull();
  });

  it.each([
    ['give what it lacks', ['llm:invoke'], { scopes: ['logs:read'] }],
    ['rename who holds more', ['admin'], { name: 'mine' }],
    ['demote who holds more', ['admin'], { scopes: [] }],
    ['disable who holds more', ['logs:read'], { status: 'disabled' as const }],
  ])('lets nobody %s', async (_what, scopes, changes) => {
    const { service, calls } = setUp(buildClient({ scopes }));
    const changed = service.update(WRITER, ID, changes);
    await expect(changed).rejects.toThrow(PermissionDeniedError);
    await expect(changed).rejects.toMatchObject({ code: 'permission_denied', status: 403 });
    expect(calls).toEqual([]);
  });
});

describe('revoke', () => {
  it('promises everything once every replica has confirmed', async () => {
    const { service, calls } = setUp();
    expect(await service.revoke(ADMIN, ID)).toEqual({ propagation: 'complete' });
    expect(calls).toEqual(['commit', `follow ${ID} 8 80`]);
  });

  it('says how many have not, and by when they do', async () => {
    const { service } = setUp(buildClient(), PENDING);
    expect(await service.revoke(ADMIN, ID)).toEqual(PENDING);
  });

  it('lets nobody revoke who holds more', async () => {
    const { service, calls } = setUp(buildClient({ scopes: ['admin'] }));
    await expect(service.revoke(WRITER, ID)).rejects.toThrow(
      'You cannot revoke a client with the scope "admin", which you do not hold yourself.',
    );
    expect(calls).toEqual([]);
  });
});

describe('an id that names nobody', () => {
  it.each([
    ['cn_live_short'],
    ['CN_LIVE_0123456789AB'],
    [`${ID} `],
    [''],
    ['cn_live_0123456789A\u0000'],
    ['../clients'],
  ])('is not looked up: %j', async (id) => {
    const { service, calls } = setUp();
    const unknown = 'There is no client with this id.';
    await expect(service.get(id)).rejects.toThrow(NotFoundError);
    await expect(service.update(ADMIN, id, { name: 'b' })).rejects.toThrow(unknown);
    await expect(service.revoke(ADMIN, id)).rejects.toThrow(unknown);
    expect(calls).toEqual([]);
  });

  it('answers as an unknown one does', async () => {
    const { service, calls } = setUp(null);
    await expect(service.get(ID)).rejects.toMatchObject({ code: 'not_found', status: 404 });
    await expect(service.update(ADMIN, ID, { name: 'b' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(service.revoke(ADMIN, ID)).rejects.toMatchObject({ code: 'not_found' });
    expect(calls).toEqual(['find']);
  });
});
