import { FrozenClock } from '../../../../test/support/frozen-clock.js';
import { RequestRecord } from '../../../kernel/request-record.js';
import { DatabaseClock } from '../../../platform/replicas/database-clock.js';
import type { AuditEvent, AuditService } from '../audit.service.js';
import { type DeniedPermission, DeniedPermissions } from './denied-permissions.service.js';

const NOW = Date.UTC(2026, 0, 31);
const MINUTE = 60_000;

/** An audit log that can be away. */
class FakeAudit {
  readonly rows: (AuditEvent<'permission.denied'> & { at: number })[] = [];
  batches = 0;
  isAway = false;

  async recordAll(events: this['rows']): Promise<void> {
    this.batches += 1;
    await null;
    if (this.isAway) throw new Error('away');
    this.rows.push(...events);
  }
}

function start() {
  const audit = new FakeAudit();
  const clock = new FrozenClock(NOW);
  const denied = new DeniedPermissions(audit as unknown as AuditService, new DatabaseClock(clock));
  return { audit, clock, denied };
}

function buildDenial(overrides: Partial<DeniedPermission> = {}, actorId = 'usr_1'): DeniedPermission {
  return {
    origin: { actorType: 'user', actorId, address: '192.0.2.1', requestId: 'req_1', sessionId: 'ses_1' },
    permission: 'clients:write',
    method: 'POST',
    route: '/api/v1/clients',
    code: 'permission_denied',
    ...overrides,
  };
}

it('writes the first refusal whole, at its own time', async () => {
  const { audit, clock, denied } = start();
  denied.note(buildDenial());
  clock.advance(700);
  await denied.flush();
  expect(audit.rows).toEqual([
    {
      action: 'permission.denied',
      origin: { actorType: 'user', actorId: 'usr_1', address: '192.0.2.1', requestId: 'req_1', sessionId: 'ses_1' },
      subject: { type: 'route', id: 'POST /api/v1/clients' },
      outcome: 'refused',
      details: { permission: 'clients:write', code: 'permission_denied', suppressed: 0 },
      at: NOW,
    },
  ]);
});

it('writes one row a minute, and the next one says how many there were', async () => {
  const { audit, clock, denied } = start();
  for (let n = 0; n < 1_000; n++) {
    denied.note(buildDenial());
    clock.advance(10);
  }
  clock.advance(MINUTE - 10_000);
  denied.note(buildDenial());
  await denied.flush();
  expect(audit.rows.map(({ at, details }) => [at, details?.suppressed])).toEqual([
    [NOW, 0],
    [NOW + MINUTE, 999],
  ]);
  expect(denied.stats).toEqual({ written: 2, suppressed: 999, lost: 0 });
});

it('counts what was refused last although nothing follows, so that rows and counts add up', async () => {
  const { audit, clock, denied } = start();
  const origin = { ...buildDenial().origin, requestId: 'req_last' };
  for (let n = 0; n < 9; n++) denied.note(buildDenial());
  denied.note(buildDenial({ origin }));
  await denied.flush();
  clock.advance(MINUTE);
  await denied.flush();
  expect(audit.rows.map(({ origin: { requestId }, details }) => [requestId, details?.suppressed])).toEqual([
    ['req_1', 0],
    ['req_last', 8],
  ]);
  clock.advance(MINUTE);
  await denied.flush();
  expect(audit.rows).toHaveLength(2);
});

it.each<[string, DeniedPermission]>([
  ['actor', buildDenial({}, 'usr_2')],
  ['permission', buildDenial({ permission: null })],
  ['method', buildDenial({ method: 'PATCH' })],
  ['route', buildDenial({ route: '/api/v1/clients/:client_id' })],
  ['kind of actor', buildDenial({ origin: { ...buildDenial().origin, actorType: 'client' } })],
])('keeps those of another %s apart', async (_, other) => {
  const { audit, denied } = start();
  denied.note(buildDenial());
  denied.note(other);
  await denied.flush();
  expect(audit.rows).toHaveLength(2);
});

it('tells those without an id apart by their address', async () => {
  const { audit, denied } = start();
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1'])
    denied.note(buildDenial({ origin: { actorType: 'anonymous', actorId: null, address, requestId: null } }));
  await denied.flush();
  expect(audit.rows).toHaveLength(2);
});

it('keeps rows while the log is away, in a bounded queue, and counts what is lost', async () => {
  const { audit, denied } = start();
  audit.isAway = true;
  for (let n = 0; n < 2_500; n++) denied.note(buildDenial({}, `usr_${n}`));
  await expect(denied.flush()).rejects.toThrow('away');
  expect(denied.waiting).toBe(2_000);
  audit.isAway = false;
  await denied.flush();
  expect(new Set(audit.rows.map(({ origin }) => origin.actorId)).size).toBe(2_000);
  expect(audit.rows).toHaveLength(2_000);
  expect(denied.stats).toEqual({ written: 2_000, suppressed: 0, lost: 500 });
  expect(denied.waiting).toBe(0);
});

it('knows a bounded number of actors at a time', async () => {
  const { audit, clock, denied } = start();
  for (let n = 0; n < 10_050; n++) {
    denied.note(buildDenial({}, `usr_${n}`));
    if (n % 1_000 === 0) await denied.flush();
  }
  await denied.flush();
  expect(denied.stats).toMatchObject({ lost: 50, written: 10_000 });
  clock.advance(MINUTE);
  await denied.flush();
  denied.note(buildDenial({}, 'usr_late'));
  await denied.flush();
  expect(audit.rows.at(-1)?.origin.actorId).toBe('usr_late');
});

it('writes each row once, however many flushes are asked for', async () => {
  const { audit, denied } = start();
  for (let n = 0; n < 500; n++) denied.note(buildDenial({}, `usr_${n}`));
  await Promise.all([denied.flush(), denied.flush(), denied.flush()]);
  expect(audit.rows).toHaveLength(500);
  expect(audit.batches).toBe(3);
});

it('writes the last counts when the process ends, and ends without PostgreSQL too', async () => {
  const { audit, denied } = start();
  for (let n = 0; n < 5; n++) denied.note(buildDenial());
  await denied.beforeApplicationShutdown();
  expect(audit.rows.map(({ details }) => details?.suppressed)).toEqual([0, 3]);

  audit.isAway = true;
  denied.note(buildDenial({}, 'usr_2'));
  const flushing = denied.flush().catch(() => undefined);
  await expect(denied.beforeApplicationShutdown()).resolves.toBeUndefined();
  await flushing;
});

describe('a request', () => {
  const buildRecord = (overrides: Partial<RequestRecord> = {}) =>
    Object.assign(new RequestRecord('req_1', 'POST', '192.0.2.1', 'none', NOW), {
      status: 403,
      errorCode: 'permission_denied',
      route: '/api/v1/grants',
      userId: 'usr_1',
      ...overrides,
    });

  it('is noted once, by the guard that refused it', async () => {
    const { audit, denied } = start();
    const record = buildRecord();
    const identity = { state: { kind: 'user', userId: 'usr_1', sessionId: 'ses_1' } };
    const request = { record, identity, method: 'POST', routeOptions: { url: '/api/v1/grants' } };
    denied.refused(request as never, 'grants:write', 'permission_denied');
    denied.onRecordClosed(record);
    denied.refused({ ...request, routeOptions: {} } as never, null, 'address_not_allowed');
    await denied.flush();
    expect(audit.rows).toMatchObject([
      {
        origin: { actorType: 'user', actorId: 'usr_1', sessionId: 'ses_1', requestId: 'req_1' },
        subject: { id: 'POST /api/v1/grants' },
        details: { permission: 'grants:write' },
      },
      { subject: { id: 'POST ' }, details: { permission: null, code: 'address_not_allowed' } },
    ]);
  });

  it.each([
    [{}, { actorType: 'user', actorId: 'usr_1', userId: 'usr_1' }],
    [
      { errorCode: 'user_required', clientId: 'cn_live_1' },
      { actorType: 'client', actorId: 'cn_live_1' },
    ],
    [{ clientId: 'cn_live_1' }, { actorType: 'client', actorId: 'cn_live_1', userId: 'usr_1' }],
    [{ userId: null }, { actorType: 'anonymous', actorId: null, address: '192.0.2.1' }],
  ] as [Partial<RequestRecord>, object][])(
    'that was refused behind the guards is noted when it closes: %j',
    async (overrides, origin) => {
      const { audit, denied } = start();
      denied.onRecordClosed(buildRecord(overrides));
      await denied.flush();
      const code = overrides.errorCode ?? 'permission_denied';
      expect(audit.rows).toMatchObject([{ origin, details: { permission: null, code } }]);
    },
  );

  it.each([{ errorCode: null, status: 200 }, { errorCode: 'csrf_failed' }, { status: 0 }])(
    'that ended otherwise is none: %j',
    async (overrides) => {
      const { audit, denied } = start();
      denied.onRecordClosed(buildRecord(overrides));
      await denied.flush();
      expect(audit.rows).toEqual([]);
    },
  );

  it('to nowhere has no route', async () => {
    const { audit, denied } = start();
    denied.onRecordClosed(buildRecord({ route: null }));
    await denied.flush();
    expect(audit.rows[0]?.subject.id).toBe('POST ');
  });
});
