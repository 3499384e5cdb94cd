import { randomInt } from 'node:crypto';
import type { ApiLogCopyRepository } from './api-log-copy.repository.js';
import { ApiLogNumbers } from './api-log-numbers.js';

jest.mock('node:crypto', () => ({ ...jest.requireActual('node:crypto'), randomInt: jest.fn() }));

function build(last?: number) {
  const marks: unknown[] = [];
  const mark = jest.fn(async (...args: unknown[]) => {
    marks.push(args);
  });
  let process = 0;
  (randomInt as unknown as jest.Mock).mockImplementation(() => ++process);
  return { numbers: new ApiLogNumbers({ mark } as unknown as ApiLogCopyRepository, last), mark, marks };
}

it('numbers from one on, and tells PostgreSQL once', async () => {
  const { numbers, marks } = build();
  expect([numbers.next(), numbers.next(), numbers.process]).toEqual([1, 2, 1]);
  await numbers.mark(false);
  await numbers.mark(false);
  expect(marks).toEqual([[1, 2, false]]);
});

it('says nothing of a process without a row, and says the end of one that was marked already', async () => {
  const { numbers, marks } = build();
  await numbers.mark(true);
  expect(marks).toEqual([]);
  numbers.next();
  await numbers.mark(false);
  await numbers.mark(true);
  expect(marks).toEqual([
    [1, 1, false],
    [1, 1, true],
  ]);
});

it('tells again what could not be told', async () => {
  const { numbers, mark, marks } = build();
  numbers.next();
  mark.mockRejectedValueOnce(new Error('PostgreSQL is away'));
  await expect(numbers.mark(false)).resolves.toBeUndefined();
  expect(marks).toEqual([]);
  await numbers.mark(false);
  expect(marks).toEqual([[1, 1, false]]);
});

it('goes on as another process when the numbers are used up', async () => {
  const { numbers, marks } = build(3);
  const given = Array.from({ length: 5 }, () => [numbers.next(), numbers.process]);
  expect(given).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
    [1, 2],
    [2, 2],
  ]);
  await numbers.mark(false);
  expect(marks).toEqual([[2, 2, false]]);
});
