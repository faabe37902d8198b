import { describe, expect, it, jest } from '@jest/globals';
import { BeginOrder } from '../../lib/typeorm/sqlite-begin-order.js';
import { gate, turn } from '../support/gate.js';

describe('The transactions of one query runner', () => {
  const { signal } = new AbortController();

  it('begin one after the other, even while a subscriber of an earlier one still waits', async () => {
    const order = new BeginOrder();
    const begun: string[] = [];
    const [subscriber, secondBegin] = [gate(), gate()];
    const first = order.begin(async () => {
      order.sent();
      await subscriber.opened;
    }, signal);
    await turn();
    await turn();
    const second = order.begin(async () => {
      begun.push('second');
      await secondBegin.opened;
      order.sent();
    }, signal);
    const third = order.begin(async () => void begun.push('third'), signal);
    subscriber.open();
    await first;
    await turn();
    await turn();
    expect(begun).toEqual(['second']);
    secondBegin.open();
    await Promise.all([second, third]);
    expect(begun).toEqual(['second', 'third']);
  });

  it('reject with the reason of the signal if they still wait', async () => {
    const order = new BeginOrder();
    const released = new AbortController();
    const begin = gate();
    const first = order.begin(() => begin.opened, signal);
    const second = order.begin(async () => undefined, released.signal);
    released.abort(new Error('released'));
    begin.fail(new Error('not now'));
    await expect(first).rejects.toThrow('not now');
    await expect(second).rejects.toThrow('released');
  });

  it('do not wait inside the beginning of another', async () => {
    const order = new BeginOrder();
    const inner = order.begin(() => order.begin(async () => undefined, signal), signal);
    await expect(inner).resolves.toBeUndefined();
  });

  it('reject after 60 seconds if another one still has not begun', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    try {
      const order = new BeginOrder();
      const begin = gate();
      const first = order.begin(() => begin.opened, signal);
      let error: unknown;
      const second = order.begin(async () => undefined, signal).catch((thrown) => (error = thrown));
      await jest.advanceTimersByTimeAsync(59_999);
      expect(error).toBeUndefined();
      await jest.advanceTimersByTimeAsync(1);
      await second;
      expect(error).toMatchObject({
        message: expect.stringContaining('on the same query runner had still not begun'),
      });
      begin.open();
      await first;
    } finally {
      jest.useRealTimers();
    }
  });
});
