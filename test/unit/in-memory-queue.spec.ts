import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { inMemoryQueue, type Delivery } from '../../lib/index.js';
import { turn } from '../support/gate.js';
import { isSettled, queueReader, stopReaders } from '../support/queue-reader.js';
import { advance, useFakeClock } from '../support/fake-clock.js';

afterEach(() => {
  stopReaders();
  jest.useRealTimers();
});

describe('inMemoryQueue()', () => {
  it('[XG5] delivers in the order of put(), with a separate id for each message', async () => {
    const queue = inMemoryQueue<string>();
    const ids = [await queue.put('a'), await queue.put('b'), await queue.put('a')];
    expect(new Set(ids).size).toBe(3);
    expect(queue.size).toBe(3);
    const { next } = queueReader(queue);
    const deliveries = [await next(), await next(), await next()];
    expect(deliveries.map(({ id, body, deliveries }) => [id, body, deliveries])).toEqual([
      [ids[0], 'a', 1],
      [ids[1], 'b', 1],
      [ids[2], 'a', 1],
    ]);
    expect(queue.size).toBe(0);
  });

  it('hands what is put to a reader that waits', async () => {
    const queue = inMemoryQueue<string>();
    const arriving = queueReader(queue).next();
    expect(await isSettled(arriving)).toBe(false);
    await queue.put('a');
    expect((await arriving).body).toBe('a');
  });

  it('delivers each message to one reader', async () => {
    const queue = inMemoryQueue<number>();
    const [left, right] = [queueReader(queue), queueReader(queue)];
    const arriving = [left.next(), right.next()];
    await queue.put(1);
    await turn();
    await queue.put(2);
    const bodies = (await Promise.all(arriving)).map(({ body }) => body);
    expect(bodies.toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(queue.size).toBe(0);
  });

  it.each([[0], [-1], [1.5], [Number.NaN], [Infinity], [null]])(
    'refuses the capacity %p',
    (capacity) => {
      expect(() => inMemoryQueue({ capacity: capacity! })).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTIONS',
          message: `inMemoryQueue(): capacity must be a whole number of at least 1, not ${String(capacity)}.`,
        }) as unknown as Error,
      );
    },
  );

  it.each([
    [{ cap: 5 }, "cap isn't an option; the only option is capacity."],
    [null, 'options must be an object such as { capacity }, not null.'],
    [5, 'options must be an object such as { capacity }, not 5.'],
  ])('refuses the options %p', (options, problem) => {
    expect(() => inMemoryQueue(options as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: `inMemoryQueue(): ${problem}`,
      }) as unknown as Error,
    );
  });

  it.each([
    [{ signal: 5 }, 'signal must be an AbortSignal, not 5.'],
    [{ timeoutMs: 5 }, "timeoutMs isn't an option; the only option is signal."],
    [5, 'options must be an object such as { signal }, not 5.'],
  ])('put() refuses the options %p, and adds nothing', async (options, problem) => {
    const queue = inMemoryQueue<number>();
    await expect(queue.put(1, options as never)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: `put(): ${problem}`,
    });
    expect(queue.size).toBe(0);
    await queue.put(1, {});
    expect(queue.size).toBe(1);
  });

  it.each([[1], [1_000_000], [undefined]])('takes the capacity %p', (capacity) => {
    const options = capacity === undefined ? {} : { capacity };
    expect(inMemoryQueue(options).size).toBe(0);
  });

  it('holds 1,000 messages by default', async () => {
    const queue = inMemoryQueue<number>();
    for (let message = 0; message < 1_000; message += 1) await queue.put(message);
    expect(await isSettled(queue.put(1_000))).toBe(false);
  });

  describe('when it is full', () => {
    it('[XG5] writers wait, and are let in one by one, in their order', async () => {
      const queue = inMemoryQueue<string>({ capacity: 1 });
      await queue.put('a');
      const writing = [queue.put('b'), queue.put('c')];
      expect(await Promise.all(writing.map(isSettled))).toEqual([false, false]);
      expect(queue.size).toBe(1);
      const { next } = queueReader(queue);
      expect((await next()).body).toBe('a');
      expect(await Promise.all(writing.map(isSettled))).toEqual([true, false]);
      expect(queue.size).toBe(1);
      expect((await next()).body).toBe('b');
      expect((await next()).body).toBe('c');
      expect(await isSettled(writing[1]!)).toBe(true);
    });

    it('a later writer does not overtake one that waits', async () => {
      const queue = inMemoryQueue<string>({ capacity: 1 });
      await queue.put('a');
      const waiting = queue.put('b');
      const { next } = queueReader(queue);
      await next();
      const late = queue.put('c');
      expect([await isSettled(waiting), await isSettled(late)]).toEqual([true, false]);
      expect([(await next()).body, (await next()).body]).toEqual(['b', 'c']);
    });

    it('what is worked on takes no room; what has come back does, and comes back all the same', async () => {
      const queue = inMemoryQueue<string>({ capacity: 1 });
      await queue.put('a');
      const { next } = queueReader(queue);
      const first = await next();
      expect(await isSettled(queue.put('b'))).toBe(true);
      first.nack();
      expect(queue.size).toBe(2);
      await next();
      const writing = queue.put('c');
      expect(await isSettled(writing)).toBe(false);
      await next();
      expect(await isSettled(writing)).toBe(true);
    });

    it('[XG5] messages that fail again and again do not let in more than it holds', async () => {
      const queue = inMemoryQueue<number>({ capacity: 3 });
      const { next } = queueReader(queue);
      const writing = Array.from({ length: 20 }, (_, message) => queue.put(message));
      for (let count = 0; count < 3; count += 1) (await next()).nack(new Error('database down'));
      const written = await Promise.all(writing.map(isSettled));
      // One more than it holds: a message that was worked on has come back.
      expect([written.filter(Boolean).length, queue.size]).toEqual([4, 4]);
    });

    it('a wait is ended by its signal; the message is not added, the others keep their places', async () => {
      const queue = inMemoryQueue<string>({ capacity: 1 });
      await queue.put('a');
      const patience = new AbortController();
      const impatient = queue.put('b', { signal: patience.signal });
      const patient = queue.put('c', { signal: new AbortController().signal });
      const reason = new Error('no longer');
      patience.abort(reason);
      await expect(impatient).rejects.toBe(reason);
      const { next } = queueReader(queue);
      expect([(await next()).body, (await next()).body]).toEqual(['a', 'c']);
      await patient;
      expect(queue.size).toBe(0);
    });

    it('an abort after the wait changes nothing', async () => {
      const queue = inMemoryQueue<string>({ capacity: 1 });
      const patience = new AbortController();
      await queue.put('a', { signal: patience.signal });
      const waiting = queue.put('b', { signal: patience.signal });
      const { next } = queueReader(queue);
      await next();
      await waiting;
      expect(getEventListeners(patience.signal, 'abort')).toEqual([]);
      patience.abort();
      expect((await next()).body).toBe('b');
    });

    it('many writers put one listener on a signal that they share', async () => {
      const queue = inMemoryQueue<number>({ capacity: 1 });
      const patience = new AbortController();
      const { signal } = patience;
      const writing = Array.from({ length: 20 }, (_, message) => queue.put(message, { signal }));
      await turn();
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      patience.abort();
      const ended = await Promise.allSettled(writing);
      expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(19);
    });
  });

  it('put() with a signal that is aborted already adds nothing', async () => {
    const queue = inMemoryQueue<string>();
    const reason = new Error('too late');
    await expect(queue.put('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(queue.size).toBe(0);
  });

  describe('when the signal is aborted', () => {
    it('a reading that waits ends, and takes no message', async () => {
      const queue = inMemoryQueue<string>();
      const { raw, stop, signal } = queueReader(queue);
      const arriving = raw();
      await turn();
      stop();
      await queue.put('a');
      expect(await arriving).toEqual({ done: true, value: undefined });
      expect(queue.size).toBe(1);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });

    it('before it begins, a reading takes no message', async () => {
      const queue = inMemoryQueue<string>();
      await queue.put('a');
      const { raw, stop } = queueReader(queue);
      stop();
      expect(await raw()).toEqual({ done: true, value: undefined });
      expect(queue.size).toBe(1);
    });

    it('another reading goes on', async () => {
      const queue = inMemoryQueue<string>();
      const [ending, living] = [queueReader(queue), queueReader(queue)];
      const ended = ending.raw();
      const arriving = living.next();
      await turn();
      ending.stop();
      await ended;
      await queue.put('a');
      expect((await arriving).body).toBe('a');
    });
  });
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

    it('[XG5] failed, it lets the others pass for a while, then is delivered before those that wait', async () => {
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

    it('failed, it is delivered to a waiting reader after ever longer delays, up to 30 seconds', async () => {
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

    it('failed, it delays neither a new message nor the end of reading, and leaves no timer', async () => {
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
