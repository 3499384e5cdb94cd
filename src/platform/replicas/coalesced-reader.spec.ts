import { CoalescedReader } from './coalesced-reader.js';

interface PendingRead {
  readonly key: string;
  readonly settle: (value: number | Error) => Promise<void>;
}

function pendingReader() {
  const reads: PendingRead[] = [];
  const reader = new CoalescedReader<number>(
    (key) =>
      new Promise((resolve, reject) => {
        const settle = async (value: number | Error) => {
          if (value instanceof Error) reject(value);
          else resolve(value);
          await new Promise(setImmediate);
        };
        reads.push({ key, settle });
      }),
  );
  return { reader, reads };
}

describe('CoalescedReader', () => {
  it('serves 500 callers at once with two reads', async () => {
    const { reader, reads } = pendingReader();
    const answers = Array.from({ length: 500 }, () => reader.read('a'));
    expect(reads).toHaveLength(1);
    await reads[0]?.settle(1);
    await reads[1]?.settle(2);
    expect(reads).toHaveLength(2);
    expect(await Promise.all(answers)).toEqual([1, ...Array(499).fill(2)]);
  });

  it('never answers from a read that started before the call', async () => {
    const { reader, reads } = pendingReader();
    const before = reader.read('a');
    const after = reader.read('a');
    await reads[0]?.settle(1);
    await reads[1]?.settle(2);
    await expect(before).resolves.toBe(1);
    await expect(after).resolves.toBe(2);
  });

  it('keeps keys apart', () => {
    const { reader, reads } = pendingReader();
    void reader.read('a');
    void reader.read('b');
    expect(reads.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it('passes a failure to its own callers only, and reads again for the next', async () => {
    const { reader, reads } = pendingReader();
    const failing = reader.read('a');
    const waiting = reader.read('a');
    const failure = expect(failing).rejects.toThrow('away');
    await reads[0]?.settle(new Error('away'));
    await failure;
    await reads[1]?.settle(2);
    await expect(waiting).resolves.toBe(2);
    const later = reader.read('a');
    await reads[2]?.settle(3);
    await expect(later).resolves.toBe(3);
  });
});
