import { jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { LONGEST_TURN_MS, WriteLock, type Writer } from '../../lib/typeorm/write-lock.js';

describe('The write lock of a file', () => {
  const group = {};
  const writer = (isOwnWork: () => boolean, of: object = group): Writer => ({
    group: of,
    label: 'it',
    isOwnWork,
  });
  const foreign = writer(() => false);
  let count = 0;
  let lock: WriteLock;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    lock = WriteLock.of(`/data/${(count += 1)}.db`);
  });
  afterEach(() => {
    const left = jest.getTimerCount();
    jest.useRealTimers();
    if (left > 0) throw new Error(`The test left ${left} timers.`);
  });

  it('is one for each path', () => {
    expect(WriteLock.of(`/data/${count}.db`)).toBe(lock);
    expect(WriteLock.of('/data/other.db')).not.toBe(lock);
  });

  it('gives the turn to one writer after the other, in the order in which they came', async () => {
    const order: number[] = [];
    const write = async (number: number): Promise<void> => {
      const turn = await lock.take(foreign);
      order.push(number);
      await Promise.resolve();
      order.push(number);
      turn.end();
      turn.end(); // ends nothing of others
    };
    await Promise.all([1, 2, 3].map(write));

    expect(order).toEqual([1, 1, 2, 2, 3, 3]);
  });

  it(`refuses those that have waited ${LONGEST_TURN_MS} ms for one turn, and no others`, async () => {
    const stuck = await lock.take(foreign);
    const refused = lock.take(foreign);
    jest.advanceTimersByTime(LONGEST_TURN_MS - 1);
    const accepted = lock.take(foreign);
    jest.advanceTimersByTime(1);
    await expect(refused).rejects.toThrow(
      `A write to /data/${count}.db waited 60 s for another transaction of this process, which did not finish. SQLite allows one writer at a time. Look for a transaction that never ends, or that waits for this write.`,
    );
    stuck.end();
    (await accepted).end();
  });

  it('counts the time again with each turn that ends', async () => {
    let turn = await lock.take(foreign);
    const waiting = [1, 2, 3].map(() => lock.take(foreign));
    for (const next of waiting) {
      jest.advanceTimersByTime(LONGEST_TURN_MS - 1);
      turn.end();
      turn = await next;
    }
    turn.end();

    expect(jest.getTimerCount()).toBe(0);
  });

  it('refuses whom the holder waits for: at once, and when the holder came first in the queue', async () => {
    const storage = new AsyncLocalStorage<string>();
    const isInside = (name: string) => writer(() => storage.getStore() === name);
    const first = await lock.take(isInside('first'));
    await expect(storage.run('first', () => lock.take(foreign))).rejects.toThrow(
      'would wait for itself',
    );
    const second = lock.take(isInside('second'));
    const refused = storage.run('second', () => lock.take(foreign));
    refused.catch(() => undefined);
    const third = lock.take(foreign);
    first.end();
    await expect(refused).rejects.toThrow('would wait for itself');
    (await second).end();
    (await third).end();
  });

  it('refuses those of a group that leaves, and goes on with the others', async () => {
    const other = {};
    await lock.take(foreign);
    const refused = lock.take(foreign);
    const accepted = lock.take(writer(() => false, other));
    lock.leave([group]);

    await expect(refused).rejects.toThrow('it was not sent');
    (await accepted).end();
  });
});
