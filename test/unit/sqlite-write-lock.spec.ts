import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { TickTimeoutError } from '../../lib/index.js';
import {
  LONG_TURN_MS,
  LONGEST_TURN_MS,
  WriteLock,
  type Writer,
  type WriteTurn,
} from '../../lib/typeorm/sqlite-write-lock.js';

describe('The write lock of a file', () => {
  const group = {};
  const writer = (isOwnWork: () => boolean, of: object = group): Writer => ({
    group: of,
    label: 'it',
    isAborted: false,
    isOwnWork,
  });
  const foreign = writer(() => false);
  let count = 0;
  let lock: WriteLock;
  let warn: jest.SpiedFunction<Logger['warn']>;

  beforeEach(() => {
    warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    lock = WriteLock.of(`/data/${(count += 1)}.db`);
  });
  afterEach(() => {
    warn.mockRestore();
    const left = jest.getTimerCount();
    jest.useRealTimers();
    if (left > 0) throw new Error(`The test left ${left} timers.`);
  });

  it('is one for each path', () => {
    expect(WriteLock.of(`/data/${count}.db`)).toBe(lock);
    expect(WriteLock.of('/data/other.db')).not.toBe(lock);
  });

  it('passes the turn to one writer after the other, in the order in which they came', async () => {
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

  describe('with locks of other files', () => {
    const work = new AsyncLocalStorage<string>();
    const of = (name: string): Writer => ({
      ...writer(() => work.getStore() === name),
      label: name,
    });
    /** Takes the turn of a file as part of the named work. */
    const takeIn = (name: string, from: WriteLock): Promise<WriteTurn> =>
      work.run(name, () => from.take(of(name)));

    it('refuses the one that would close a circle of waits, at once, and names both files', async () => {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => WriteLock.of(`/data/${count}-${name}.db`));
      const turns = [await takeIn('one', a!), await takeIn('two', b!), await takeIn('three', c!)];
      const waiting = [takeIn('one', b!), takeIn('two', c!)];

      await expect(takeIn('three', a!)).rejects.toMatchObject({
        file: `/data/${count}-a.db`,
        otherFile: `/data/${count}-c.db`,
        holder: { label: 'one' },
      });
      const outside = takeIn('four', a!); // is part of no circle
      for (const turn of turns.toReversed()) turn.end();
      for (const turn of await Promise.all([...waiting, outside])) turn.end();
    });

    it('refuses one that waits when the turn passes on and closes the circle', async () => {
      const [a, b] = ['a', 'b'].map((name) => WriteLock.of(`/data/${count}-${name}.db`));
      const first = await takeIn('one', a!);
      const between = await takeIn('three', b!);
      const second = takeIn('two', b!);
      const refused = takeIn('one', b!);
      const waiting = takeIn('two', a!); // waits for no circle yet
      between.end();

      await expect(refused).rejects.toMatchObject({ otherFile: `/data/${count}-a.db` });
      first.end();
      for (const turn of await Promise.all([second, waiting])) turn.end();
    });

    it('enters no code that is part of no work', async () => {
      let asked = 0;
      const holder = writer(() => (asked += 1) < 0);
      const outside = { ...foreign, isInsideWork: false };
      const turns = [lock.take(holder), lock.take(outside), lock.take(outside), lock.take(holder)];
      expect(asked).toBe(3); // once for each that begins to wait
      for (const turn of turns) (await turn).end();
      expect(asked).toBe(3);
    });

    it('lets the same work wait once the others do not wait for it', async () => {
      const [a, b] = ['a', 'b'].map((name) => WriteLock.of(`/data/${count}-${name}.db`));
      const [first, second] = [await takeIn('one', a!), await takeIn('two', b!)];
      const waiting = takeIn('two', a!);
      first.end();
      (await waiting).end();
      const later = takeIn('one', b!);
      second.end();
      const last = await later;
      expect(last.writer.label).toBe('one');
      last.end();
    });
  });

  it(`refuses those that have waited ${LONGEST_TURN_MS} ms for one turn, and no others`, async () => {
    const stuck = await lock.take(foreign);
    const refused = lock.take(foreign);
    jest.advanceTimersByTime(LONGEST_TURN_MS - 1);
    const accepted = lock.take(foreign);
    jest.advanceTimersByTime(1);
    await expect(refused).rejects.toMatchObject({
      code: 'WRITE_TIMEOUT',
      file: `/data/${count}.db`,
      holder: 'it',
      waitedMs: LONGEST_TURN_MS,
    });
    stuck.end();
    (await accepted).end();
  });

  describe('after the drain of an application', () => {
    const aborted = { ...foreign, isAborted: true };
    const refused = { code: 'WRITE_TIMEOUT', holder: 'it' };
    /** Ends a turn behind which a writer of the application waits, and returns the next writer. */
    const nextAfter = async (turn: WriteTurn): Promise<Writer> => {
      const accepted = lock.take(foreign);
      turn.end();
      const next = await accepted;
      next.end();
      return next.writer;
    };

    it('refuses its writers behind an aborted tick, until its data source is destroyed', async () => {
      const abandoned = await lock.take(aborted);
      const waiting = lock.take(foreign);
      lock.abandon(group);
      await expect(waiting).rejects.toMatchObject(refused);
      await expect(lock.take(foreign)).rejects.toMatchObject(refused);

      lock.leave(group);
      const turn = await lock.take(aborted);
      const accepted = lock.take(foreign);
      abandoned.end(); // ends nothing of others
      turn.end();
      (await accepted).end();
    });

    it('[D6] refuses none behind a later turn of that tick, which may end at once', async () => {
      const abandoned = await lock.take(aborted);
      lock.abandon(group);
      abandoned.end();
      const later = await lock.take(aborted);
      expect(await nextAfter(later)).toBe(foreign);
    });

    it('[D6] refuses those of its other data sources, in whichever order they call', async () => {
      const [second, third] = [{}, {}];
      const abandoned = await lock.take(aborted);
      const waiting = [second, third].map((other) => lock.take({ ...foreign, group: other }));
      for (const each of [second, group, third]) lock.abandon(each);
      for (const each of waiting) await expect(each).rejects.toMatchObject(refused);
      abandoned.end();
    });

    it('[D6] refuses none once another application has started with the data source', async () => {
      const abandoned = await lock.take(aborted);
      lock.abandon(group);
      lock.admit(group);
      expect(await nextAfter(abandoned)).toBe(foreign);
    });

    it('refuses none behind a tick that is aborted later: the shutdown has not abandoned it', async () => {
      lock.abandon(group);
      const later = await lock.take(aborted);
      expect(await nextAfter(later)).toBe(foreign);
    });

    it('refuses neither those of another application, nor those behind other work', async () => {
      const other = { ...foreign, group: {} };
      const abandoned = await lock.take(aborted);
      const elsewhere = lock.take(other);
      lock.abandon(group);
      abandoned.end();
      const turn = await elsewhere;
      const accepted = lock.take(foreign);
      turn.end();
      expect((await accepted).writer).toBe(foreign);
    });
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

  describe('when the signal of a waiter is aborted', () => {
    const refusalOf = async (reason: Error): Promise<unknown> => {
      const holding = await lock.take(foreign);
      const controller = new AbortController();
      const refused = lock.take(foreign, controller.signal).catch((error: unknown) => error);
      jest.advanceTimersByTime(1_500);
      controller.abort(reason);
      holding.end();
      return refused;
    };

    it('rejects with its reason, and a timeout says how long it waited for whom', async () => {
      const reason = new TickTimeoutError('work', 1_500);
      expect(await refusalOf(reason)).toBe(reason);
      expect(reason.cause).toMatchObject({ code: 'WRITE_TIMEOUT', holder: 'it', waitedMs: 1_500 });
      expect(Object.keys(reason)).not.toContain('cause');
    });

    it('leaves a cause, and every other reason, as it is', async () => {
      const cause = new Error('known');
      const reason = new TickTimeoutError('work', 1_500, { cause });
      expect(await refusalOf(reason)).toBe(reason);
      expect(reason.cause).toBe(cause);
      const other = new Error('enough');
      expect(await refusalOf(other)).toBe(other);
      expect('cause' in other).toBe(false);
    });
  });

  describe(`when writers have waited ${LONG_TURN_MS} ms for one turn`, () => {
    it('logs one line for the turn, which names the holder and the first of them', async () => {
      const holding = await lock.take({ ...foreign, label: 'Reports.nightly (tick-1)' });
      const waiting = [lock.take({ ...foreign, label: 'the application' }), lock.take(foreign)];
      jest.advanceTimersByTime(LONG_TURN_MS - 1);
      expect(warn).not.toHaveBeenCalled();
      jest.advanceTimersByTime(LONG_TURN_MS);
      holding.end();
      for (const turn of waiting) (await turn).end();

      expect(warn.mock.calls).toEqual([
        [
          `2 writes to /data/${count}.db have waited 5 s for the transaction of Reports.nightly (tick-1). The first one comes from the application. SQLite allows one writer at a time. Keep transactions short: a write that waits for 60 s fails.`,
        ],
      ]);
    });

    it('counts the time from the begin of the turn, and says where it was begun', async () => {
      const origin = new Error('It began here.');
      const first = await lock.take(foreign);
      const holding = lock.take({ ...foreign, origin });
      const waiting = lock.take(foreign);
      jest.advanceTimersByTime(LONG_TURN_MS - 1);
      first.end();
      jest.advanceTimersByTime(LONG_TURN_MS - 1);
      expect(warn).not.toHaveBeenCalled();
      jest.advanceTimersByTime(1);
      (await holding).end();
      (await waiting).end();

      expect(warn.mock.calls).toEqual([
        [expect.stringContaining(`A write to /data/${count}.db has waited 5 s`)],
      ]);
      expect(warn.mock.calls[0]?.[0]).toContain(origin.stack);
    });

    it('logs nothing if they have left', async () => {
      const holding = await lock.take(foreign);
      const controller = new AbortController();
      const gone = lock.take(foreign, controller.signal);
      controller.abort(new Error('enough'));
      await expect(gone).rejects.toThrow('enough');
      jest.advanceTimersByTime(LONG_TURN_MS);
      const late = lock.take(foreign);
      jest.advanceTimersByTime(LONG_TURN_MS - 1);
      holding.end();
      (await late).end();

      expect(warn).not.toHaveBeenCalled();
    });
  });

  it('refuses whom the holder waits for: at once, and when the holder came first in the queue', async () => {
    const storage = new AsyncLocalStorage<string>();
    const isInside = (name: string) => writer(() => storage.getStore() === name);
    const first = await lock.take(isInside('first'));
    await expect(storage.run('first', () => lock.take(foreign))).rejects.toThrow(
      'could wait for itself',
    );
    const second = lock.take(isInside('second'));
    const refused = storage.run('second', () => lock.take(foreign));
    refused.catch(() => undefined);
    const third = lock.take(foreign);
    first.end();
    await expect(refused).rejects.toThrow('could wait for itself');
    (await second).end();
    (await third).end();
  });

  it('refuses those of a group that leaves, and goes on with the others', async () => {
    const other = {};
    await lock.take(foreign);
    const refused = lock.take(foreign);
    const accepted = lock.take(writer(() => false, other));
    lock.leave(group);

    await expect(refused).rejects.toThrow('it was not sent');
    (await accepted).end();
  });
});
