import { FrozenClock } from '../../../test/support/frozen-clock.js';
import type { Transactions } from '../../platform/database/transactions.js';
import type { Countries } from '../../platform/geo/countries.js';
import type { PeriodicService } from '../../platform/jobs/periodic.service.js';
import { DatabaseClock } from '../../platform/replicas/database-clock.js';
import type { SessionSignals } from './session-signals.js';
import { SessionUses } from './session-uses.js';
import type { SessionUse, SessionUsesRepository } from './session-uses.repository.js';

const ADDRESS = '192.0.2.1';

/** The uses of one process, and what it wrote, flush by flush. */
function start() {
  const clock = new FrozenClock();
  const written: SessionUse[][] = [];
  const repository = {
    record: async (uses: readonly SessionUse[]) => {
      written.push([...uses]);
      return { locked: [], divided: [] };
    },
  } as unknown as SessionUsesRepository;
  const uses = new SessionUses(
    new DatabaseClock(clock),
    { of: () => null } as unknown as Countries,
    repository,
    {} as SessionSignals,
    { run: (work: (transaction: never) => unknown) => work(undefined as never) } as unknown as Transactions,
    {} as PeriodicService,
  );
  return { clock, uses, written };
}

const session = (number: number) => ({ id: `ses_${number}`, idleSeconds: 1_800 });

describe('uses of sessions', () => {
  it('are written in batches, all of them in the end', async () => {
    const { clock, uses, written } = start();
    for (let number = 0; number < 25_000; number++) uses.note(session(number), ADDRESS);
    await uses.flush();
    await uses.flush();
    expect(written.map(({ length }) => length)).toEqual([10_000, 10_000]);
    clock.advanceSeconds(1);
    await uses.beforeApplicationShutdown();
    expect(written.flat().map(({ sessionId }) => sessionId)).toHaveLength(25_000);
    await uses.flush();
    expect(written).toHaveLength(3);
  });

  it('are bounded in memory: of more sessions than half a million none is noted', () => {
    const { uses } = start();
    for (let number = 0; number <= 500_000; number++) uses.note(session(number), ADDRESS);
    expect(uses.noted).toBe(500_000);
  });

  it('are written on when the clock was set back', async () => {
    const { clock, uses, written } = start();
    uses.note(session(1), ADDRESS);
    await uses.flush();
    clock.advanceSeconds(-3_600);
    uses.note(session(1), ADDRESS);
    await uses.flush();
    clock.advanceSeconds(7_200);
    uses.note(session(1), ADDRESS);
    await uses.flush();
    expect(written).toHaveLength(2);
  });
});
