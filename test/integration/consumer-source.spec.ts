import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { MessageSource, SourceFailure } from '../../lib/index.js';
import { appsOnFakeClock, type TestApp } from '../support/app.js';
import { begin } from '../support/background.js';
import { boom, HandSource, idle, scripted, startConsumer } from '../support/consumers.js';
import { advance } from '../support/fake-clock.js';
import { turns } from '../support/running-tick.js';
import { unhandledDuring } from '../support/unhandled.js';

appsOnFakeClock();

/** The reports about a source, as `boom 100` or `ended 100`. */
function failuresOf({ events }: TestApp): string[] {
  const failures: string[] = [];
  events.on('source:failed', ({ error, reopenInMs }: SourceFailure) => {
    const text = error === undefined ? 'ended' : (error as Error).message;
    failures.push(`${text} ${reopenInMs}`);
  });
  return failures;
}

async function started<S extends MessageSource>(source: S, concurrency = 1) {
  const seen: unknown[] = [];
  const handler = ({ payload }: { payload: unknown }): number => seen.push(payload);
  const test = await startConsumer(source, handler, { concurrency });
  const failures = failuresOf(test);
  await begin();
  return { ...test, seen, failures };
}

describe('a source', () => {
  it.each<[string, (source: HandSource) => void, string]>([
    ['rejects', (source) => source.fail(boom()), 'boom'],
    [
      'rejects with nothing',
      (source) => source.fail(undefined),
      'The source failed without an error.',
    ],
    ['ends', (source) => source.end(), 'ended'],
  ])('[G12] that %s is reported, and read again after a pause', async (_, break_, text) => {
    const { source, failures, seen } = await started(new HandSource());
    break_(source);
    await turns();
    expect([failures, source.returned]).toEqual([[`${text} 100`], 0]);
    await advance(99);
    expect(source.opened).toBe(1);
    await advance(1);
    expect(source.opened).toBe(2);
    source.give('after');
    await source.settled(1);
    expect(seen).toEqual(['after']);
  });

  it('[G12] that goes on is not read again', async () => {
    const { source, failures } = await started(new HandSource());
    source.give();
    await source.settled(1);
    await advance(600_000);
    expect([source.opened, failures]).toEqual([1, []]);
  });

  it.each<[string, () => unknown, string | RegExp]>([
    [
      'throws in read()',
      () => {
        throw boom();
      },
      'boom',
    ],
    [
      'rejects in an async read()',
      async () => idle(AbortSignal.abort()),
      /read\(\).*a promise.*async \*read/s,
    ],
    ['returns a list', () => [1, 2], /read\(\).*an array.*async \*read/s],
    ['returns nothing', () => undefined, /read\(\).*undefined.*async \*read/s],
    [
      'throws in next()',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next() {
            throw boom();
          },
        }),
      }),
      'boom',
    ],
    [
      'has a next() that returns no result',
      () => ({ [Symbol.asyncIterator]: () => ({ next: async () => undefined }) }),
      /next\(\).*undefined/,
    ],
  ])('[G12] that %s is reported, and read again', async (_, read, text) => {
    const source = scripted(read, idle);
    const { failures } = await started(source);
    expect(failures).toEqual([expect.stringMatching(text)]);
    await advance(100);
    expect(source.opened).toBe(2);
  });

  it.each<[string, (signal: AbortSignal) => unknown]>([
    ['at once', () => Promise.reject(boom())],
    [
      'after its signal was aborted',
      (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(boom()))),
    ],
  ])(
    '[G12, B34] whose async read() rejects %s is read again, and its error is reported',
    async (_, read) => {
      const source = scripted(read, idle);
      const unhandled = await unhandledDuring(async () => {
        const test = await startConsumer(source, () => undefined);
        const reported = test.next('failure:stray');
        await begin();
        expect(await reported).toMatchObject({
          where: 'source',
          schedule: 'Consumer.handle',
          error: boom(),
        });
        await advance(100);
      });
      expect([unhandled, source.opened]).toEqual([[], 2]);
    },
  );

  it.each<[string, unknown, string, string]>([
    ['nothing', undefined, 'undefined', 'its id is undefined, not a string'],
    ['a text', 'order', '"order"', 'its id is undefined, not a string'],
    [
      'an object without ack()',
      { id: '1', body: 1, nack: () => undefined },
      'an object',
      "its ack isn't a function",
    ],
    [
      'an object without nack()',
      { id: '1', body: 1, ack: () => undefined },
      'an object',
      "its nack isn't a function",
    ],
    [
      'an object with a number as its id',
      { id: 7, body: 1, ack: () => undefined, nack: () => undefined },
      'an object',
      'its id is 7, not a string',
    ],
  ])(
    '[G12] that yields %s for a delivery is reported, ended and read again',
    async (_, value, shown, wrong) => {
      const { source, failures, seen } = await started(new HandSource());
      source.giveRaw(value);
      await turns();
      expect(failures).toEqual([
        `The source yielded ${shown}, which isn't a delivery: ${wrong}. A delivery is { id: string, body, ack(), nack(error?) }. 100`,
      ]);
      expect(source.returned).toBe(1);
      expect(source.signals[0]!.aborted).toBe(true);
      await advance(100);
      expect(source.opened).toBe(2);
      expect(source.signals[1]!.aborted).toBe(false);
      source.give('good');
      await source.settled(1);
      expect(seen).toEqual(['good']);
    },
  );

  it('[G12] that yields a delivery whose body cannot be read is reported, and read again', async () => {
    const { source, failures, seen } = await started(new HandSource());
    source.giveRaw({
      id: '1',
      ack: () => undefined,
      nack: () => undefined,
      get body(): unknown {
        throw boom();
      },
    });
    await turns();
    expect([failures, source.returned]).toEqual([['boom 100'], 1]);
    await advance(100);
    source.give('after');
    await source.settled(1);
    expect(seen).toEqual(['after']);
  });

  it('[G12] is read again ever later, up to 30 seconds, and never given up', async () => {
    const source = scripted(() => {
      throw boom();
    });
    const { failures } = await started(source);
    for (let count = 0; count < 12; count += 1) await advance(30_000);
    const waits = failures.map((failure) => Number(failure.split(' ')[1]));
    expect(waits.slice(0, 10)).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000,
    ]);
    expect(new Set(waits.slice(9))).toEqual(new Set([30_000]));
    expect(waits.length).toBeGreaterThan(15);
  });

  it('[G12] is read again soon after it has delivered', async () => {
    const { source, failures } = await started(new HandSource());
    for (let count = 0; count < 3; count += 1) {
      source.fail(boom());
      await advance(1_000);
    }
    source.give();
    await source.settled(1);
    source.fail(boom());
    await turns();
    expect(failures).toEqual(['boom 100', 'boom 200', 'boom 400', 'boom 100']);
    await advance(100);
    expect(source.opened).toBe(5);
  });

  it('[G12] that fails leaves the messages alone that are worked on', async () => {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const source = new HandSource();
    await startConsumer(source, () => held, { concurrency: 2 });
    await begin();
    source.give();
    await turns();
    source.fail(boom());
    await advance(100);
    source.give();
    await turns();
    release();
    await source.settled(2);
    expect(source.fates).toEqual(['ack 1', 'ack 2']);
  });

  it('each read has its own signal, which is aborted when that read is over', async () => {
    const { source, app } = await started(new HandSource());
    source.fail(boom());
    await advance(100);
    expect(source.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(source.signals[0]!.reason).toMatchObject({ name: 'AbortError' });
    await app.close();
    expect(source.signals[1]!.aborted).toBe(true);
    expect(source.signals[1]!.reason).toMatchObject({
      name: 'AbortError',
      message: 'The source of Consumer.handle must end: the application is shutting down.',
    });
  });

  it('gathers no listeners on its signal, however many messages it yields', async () => {
    const source = new HandSource();
    const listeners: number[] = [];
    await startConsumer(source, () => {
      listeners.push(getEventListeners(source.signals[0]!, 'abort').length);
    });
    await begin();
    for (let message = 0; message < 20; message += 1) source.give();
    await source.settled(20);
    expect(new Set(listeners)).toEqual(new Set([0]));
  });

  it('that is read again and again gathers no listeners on one signal', async () => {
    const signals = new Set<AbortSignal>();
    const source = scripted((signal) => {
      signals.add(signal);
      throw boom();
    });
    await started(source);
    for (let count = 0; count < 5; count += 1) await advance(30_000);
    expect(signals.size).toBe(source.opened);
  });
});
