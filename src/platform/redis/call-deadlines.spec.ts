import { spawn } from 'node:child_process';
import { CallDeadlines, CallTimeoutError } from './call-deadlines.js';

const never = () => new Promise<never>(() => undefined);

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe('CallDeadlines', () => {
  it('settles as the call does', async () => {
    const deadlines = new CallDeadlines(50);
    await expect(deadlines.bound(Promise.resolve(7))).resolves.toBe(7);
    await expect(deadlines.bound(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('rejects every call that is not answered in time, whenever it was made', async () => {
    const deadlines = new CallDeadlines(30);
    const start = performance.now();
    const first = Array.from({ length: 500 }, () => expect(deadlines.bound(never())).rejects.toThrow(CallTimeoutError));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = expect(deadlines.bound(never())).rejects.toThrow(CallTimeoutError);
    await Promise.all(first);
    const afterFirst = performance.now() - start;
    await second;
    expect(afterFirst).toBeGreaterThanOrEqual(29);
    expect(performance.now() - start).toBeGreaterThanOrEqual(49);
  });

  it('still rejects a call in time that thousands were made and answered around', async () => {
    const deadlines = new CallDeadlines(40);
    const answered = Array.from({ length: 3_000 }, (_, index) => deadlines.bound(Promise.resolve(index)));
    const start = performance.now();
    const late = expect(deadlines.bound(never())).rejects.toThrow(CallTimeoutError);
    const after = Array.from({ length: 3_000 }, (_, index) => deadlines.bound(Promise.resolve(index)));
    await expect(Promise.all([...answered, ...after])).resolves.toHaveLength(6_000);
    await late;
    expect(performance.now() - start).toBeGreaterThanOrEqual(39);
  });

  it('does not judge an answer late that had arrived while the thread was busy', async () => {
    const peer = spawn('cat');
    const ready = new Promise((resolve) => peer.stdout.once('data', resolve));
    peer.stdin.write('ready');
    await ready;
    const echo = new Promise((resolve) => peer.stdout.once('data', resolve));
    peer.stdin.write('answer');
    const answer = new CallDeadlines(50).bound(echo);
    block(150);
    const outcome = await answer.catch((error: unknown) => error);
    peer.kill();
    expect(outcome).toEqual(Buffer.from('answer'));
  });
});
