import { Writable } from 'node:stream';
import { GatheredWrites } from './gathered-writes.js';

class Wire extends Writable {
  readonly pieces: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.pieces.push(String(chunk));
    done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.pieces.push(chunks.map(({ chunk }) => String(chunk)).join(''));
    done();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('GatheredWrites', () => {
  it('sends in one piece what is written in one turn, and nothing later than that', async () => {
    const [writes, wire] = [new GatheredWrites(), new Wire()];
    for (const text of ['a', 'b', 'c']) {
      writes.gather(wire);
      wire.write(text);
    }
    expect(wire.pieces).toEqual([]);
    await turn();
    expect(wire.pieces).toEqual(['abc']);

    writes.gather(wire);
    wire.write('d');
    await turn();
    expect(wire.pieces).toEqual(['abc', 'd']);
  });

  it('lets go of a connection that was replaced by another in the same turn', async () => {
    const writes = new GatheredWrites();
    const [old, fresh] = [new Wire(), new Wire()];
    writes.gather(old);
    old.write('a');
    writes.gather(fresh);
    fresh.write('b');
    writes.gather(old);
    old.write('c');
    await turn();
    expect([old.pieces, fresh.pieces]).toEqual([['ac'], ['b']]);
    expect([old.writableCorked, fresh.writableCorked]).toEqual([0, 0]);
  });

  it('does not need a connection', () => {
    expect(() => new GatheredWrites().gather(undefined)).not.toThrow();
  });
});
