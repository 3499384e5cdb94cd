import { AttemptLine } from './attempt-line.js';

describe('AttemptLine', () => {
  let line: AttemptLine;
  const order: string[] = [];
  const enter = (name: string, key = 'a', waitMs = 10_000) =>
    line.enter(key, waitMs).then((admitted) => {
      order.push(admitted ? name : `${name} gave up`);
      return admitted;
    });

  beforeEach(() => {
    line = new AttemptLine(2);
    order.length = 0;
    jest.useFakeTimers();
  });
  afterEach(() => jest.useRealTimers());

  it('lets one through at a time, in order', async () => {
    await enter('first');
    const second = enter('second');
    const third = enter('third');
    await Promise.resolve();
    expect(order).toEqual(['first']);
    line.leave('a');
    await second;
    line.leave('a');
    await third;
    line.leave('a');
    expect(order).toEqual(['first', 'second', 'third']);
    expect(jest.getTimerCount()).toBe(0);
    await enter('again');
    expect(order.at(-1)).toBe('again');
  });

  it('has a line per key', async () => {
    await Promise.all([enter('a', 'a'), enter('b', 'b')]);
    expect(order).toEqual(['a', 'b']);
  });

  it('turns away whom there is no room for', async () => {
    await enter('first');
    void enter('second');
    void enter('third');
    await expect(enter('fourth')).resolves.toBe(false);
    await expect(enter('other', 'b')).resolves.toBe(true);
  });

  it('lets nobody wait longer than they said, and passes over who gave up', async () => {
    await enter('first');
    const second = enter('second', 'a', 5);
    const third = enter('third');
    jest.advanceTimersByTime(5);
    await expect(second).resolves.toBe(false);
    line.leave('a');
    await expect(third).resolves.toBe(true);
  });

  it('tells all who wait what went wrong, and starts anew', async () => {
    await enter('first');
    const waiting = [enter('second'), enter('third')].map((each) => expect(each).rejects.toThrow('away'));
    line.dissolve('a', new Error('away'));
    await Promise.all(waiting);
    expect(jest.getTimerCount()).toBe(0);
    await expect(enter('again')).resolves.toBe(true);
    line.dissolve('b', new Error('nobody hears'));
  });
});
