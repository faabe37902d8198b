import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { inMemoryQueue, type Delivery } from '../../lib/index.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { turn } from '../support/gate.js';
import { isSettled, queueReader, stopReaders } from '../support/queue-reader.js';

afterEach(() => {
  stopReaders();
  jest.useRealTimers();
});

describe('a delivery of inMemoryQueue()', () => {
  describe('when it goes back', () => {
    it('[G4] interrupted, it comes first, at once, and the delivery does not count', async () => {
      const queue = inMemoryQueue<string>();
      await queue.put('a');
      await queue.put('b');
      const { next } = queueReader(queue);
      const first = await next();
      first.nack();
      const again = await next();
      expect([again.id, again.body, again.deliveries]).toEqual([first.id, 'a', 1]);
      expect((await next()).body).toBe('b');
    });

    it('[G4] interrupted, it wakes a reader that waits', async () => {
      const queue = inMemoryQueue<string>();
      await queue.put('a');
      const first = await queueReader(queue).next();
      const arriving = queueReader(queue).next();
      expect(await isSettled(arriving)).toBe(false);
      first.nack();
      expect((await arriving).body).toBe('a');
    });

    it('[XG5] failed, it lets the others pass for a while, then runs before those that wait', async () => {
      useFakeClock();
      const queue = inMemoryQueue<string>();
      for (const body of ['bad', 'b', 'c']) await queue.put(body);
      const { next } = queueReader(queue);
      (await next()).nack(new Error('boom'));
      expect(queue.size).toBe(3);
      expect((await next()).body).toBe('b');
      await advance(100);
      const again = await next();
      expect([again.body, again.deliveries]).toEqual(['bad', 2]);
      expect((await next()).body).toBe('c');
    });

    it('failed, it is delivered ever later, up to 30 seconds, to a reader that waits', async () => {
      useFakeClock();
      const queue = inMemoryQueue<string>();
      await queue.put('bad');
      const { next } = queueReader(queue);
      let delivery = await next();
      const waits: number[] = [];
      for (let count = 0; count < 11; count += 1) {
        delivery.nack(new Error('boom'));
        const failedAt = Date.now();
        const arriving = next();
        while (!(await isSettled(arriving))) await advance(100);
        delivery = await arriving;
        waits.push(Date.now() - failedAt);
      }
      expect(waits).toEqual([
        100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
      ]);
      expect(delivery.deliveries).toBe(12);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('failed, it holds up neither a new one nor the end of the reading, and leaves no timer', async () => {
      useFakeClock();
      const queue = inMemoryQueue<string>();
      await queue.put('bad');
      const { next, raw, stop } = queueReader(queue);
      (await next()).nack(new Error('boom'));
      const arriving = next();
      await turn();
      await queue.put('new');
      expect((await arriving).body).toBe('new');
      const ending = raw();
      await turn();
      stop();
      expect(await ending).toEqual({ done: true, value: undefined });
      expect(jest.getTimerCount()).toBe(0);
      expect(queue.size).toBe(1);
    });
  });

  it.each<[string, (delivery: Delivery) => void]>([
    ['ack() twice', ({ ack }) => (ack(), void ack())],
    ['nack() after ack()', ({ ack, nack }) => (ack(), void nack())],
  ])('%s settles a message once', async (_, settle) => {
    const queue = inMemoryQueue<string>();
    await queue.put('a');
    settle(await queueReader(queue).next());
    expect(queue.size).toBe(0);
  });

  it('nack() twice brings a message back once', async () => {
    const queue = inMemoryQueue<string>();
    await queue.put('a');
    const { nack } = await queueReader(queue).next();
    nack();
    nack();
    expect(queue.size).toBe(1);
  });
});
