import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import {
  inMemoryQueue,
  ScopedConsumer,
  ScopedWorker,
  type ConsumerOptions,
  type Delivery,
  type MessageSource,
  type ScopedWorkerModuleOptions,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { HandSource, SOURCE, startConsumer, until } from '../support/consumers.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { countdown, gate, turn, type Gate } from '../support/gate.js';
import { turns } from '../support/running-tick.js';

afterEach(closeApps);

/** A consumer whose handlers wait for their gates, and a source with ten messages. */
async function heldConsumer(
  consumerOptions: ConsumerOptions,
  options: ScopedWorkerModuleOptions = {},
) {
  const gates: Gate[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const handler = async (): Promise<void> => {
    mostAtOnce = Math.max(mostAtOnce, (running += 1));
    const held = gate();
    gates.push(held);
    await held.opened;
    running -= 1;
  };
  const test = await startConsumer(new HandSource(), handler, consumerOptions, { options });
  for (let body = 0; body < 10; body += 1) test.source.give(body);
  await until(() => gates.length > 0);
  await turns();
  return { ...test, gates, running: () => running, mostAtOnce: () => mostAtOnce };
}

describe('concurrency', () => {
  it.each<[string, ConsumerOptions, number]>([
    ['1 by default', {}, 1],
    ['its own number', { concurrency: 3 }, 3],
    ['maxConcurrency', { maxConcurrency: 2 }, 2],
    ['its own number rather than maxConcurrency', { concurrency: 3, maxConcurrency: 2 }, 3],
  ])(
    '[G11] is %s: no more are held, and the source is not read ahead',
    async (_, options, most) => {
      const { source, gates, running, mostAtOnce } = await heldConsumer(options);
      expect([source.asked, running()]).toEqual([most, most]);
      for (let done = 1; done <= 10; done += 1) {
        gates.shift()!.open();
        await source.settled(done);
        await turns();
        // Held are at most those that run; one request waits once the ten are gone.
        expect(source.asked).toBe(Math.min(most + done, 11));
        expect(running()).toBe(Math.min(most, 10 - done));
      }
      expect([mostAtOnce(), source.mostPending]).toEqual([most, 1]);
    },
  );

  it('[G11] comes from the defaults of the module, too', async () => {
    const { source, gates } = await heldConsumer({}, { defaults: { maxConcurrency: 2 } });
    expect(source.asked).toBe(2);
    gates.forEach((held) => held.open());
    await source.settled(2);
    await until(() => gates.length >= 4);
    const release = setInterval(() => gates.forEach((held) => held.open()), 1);
    await source.settled(10);
    clearInterval(release);
  });

  it('[G11] a source is asked for one message at a time', async () => {
    const { source, registry } = await startConsumer(new HandSource(), () => undefined, {
      concurrency: 10,
    });
    await until(() => source.asked === 1);
    await turns();
    expect([source.asked, source.pending]).toEqual([1, 1]);
    for (let body = 0; body < 20; body += 1) source.give(body);
    await source.settled(20);
    expect([source.mostPending, registry.get('Consumer.handle').lastReport?.outcome]).toEqual([
      1,
      'succeeded',
    ]);
  });

  it('[G11] an order of messages is kept with concurrency 1', async () => {
    const seen: unknown[] = [];
    const queue = inMemoryQueue<number>();
    const done = countdown(20);
    await startConsumer(queue, async ({ payload }) => {
      await turns();
      seen.push(payload);
      done.hit();
    });
    for (let message = 0; message < 20; message += 1) await queue.put(message);
    await done.done;
    expect(seen).toEqual(Array.from({ length: 20 }, (_, message) => message));
  });

  it('a run by hand has a place like a message, and waits for it', async () => {
    const { source, gates, registry, running } = await heldConsumer({ concurrency: 2 });
    const byHand = registry.run('Consumer.handle');
    await turns();
    expect(running()).toBe(2);
    gates.splice(0).forEach((held) => held.open());
    await source.settled(2);
    await turns();
    expect(running()).toBe(2);
    const release = setInterval(() => gates.forEach((held) => held.open()), 1);
    expect((await byHand).outcome).toBe('succeeded');
    await source.settled(10);
    clearInterval(release);
  });

  it('a handler that runs its own consumer while all places are taken is refused, and does not wait for itself', async () => {
    const seen: unknown[] = [];
    const { source, registry } = await startConsumer(new HandSource(), async ({ payload }) => {
      if (payload === 'inner') return;
      const report = await registry.run('Consumer.handle', { payload: 'inner' });
      seen.push([report.outcome, report.reason]);
    });
    source.give('outer');
    await source.settled(1);
    expect(seen).toEqual([['skipped', 'overlap']]);
    expect(source.fates).toEqual(['ack 1']);
  });
});

/** Never waits before its last message. */
class EagerSource implements MessageSource<number> {
  delivered = 0;

  constructor(private readonly last: number) {}

  async *read(signal: AbortSignal): AsyncGenerator<Delivery<number>> {
    while (!signal.aborted && this.delivered < this.last) {
      this.delivered += 1;
      yield { id: String(this.delivered), body: 0, ack: () => undefined, nack: () => undefined };
    }
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
}

describe('handlers that never wait', () => {
  afterEach(() => void jest.useRealTimers());

  it('hold up neither timers nor the shutdown, however many messages there are', async () => {
    const queue = inMemoryQueue<number>();
    let handled = 0;
    const { app } = await startConsumer(queue, () => {
      handled += 1;
      void queue.put(handled); // there is always one more
    });
    await queue.put(0);
    await until(() => handled > 1); // needs turns of the event loop, which a starved one never gets
    await app.close();
    expect(queue.size).toBe(1);
  });

  it('[G7] let the process have its turn even if the clock is stopped', async () => {
    useFakeClock();
    const source = new EagerSource(1_000); // without an end, not even the time limit of a starved test could pass
    const { app } = await startConsumer(source, () => undefined);
    await advance(0); // the consumer begins
    await until(() => source.delivered > 0);
    expect(source.delivered).toBeLessThan(1_000);
    jest.useRealTimers();
    await app.close();
  });

  it('[G7] go on while a test fakes all timers', async () => {
    const source = new EagerSource(100_000);
    const { app } = await startConsumer(source, () => undefined);
    await until(() => source.delivered > 0);
    jest.useFakeTimers();
    const before = source.delivered;
    for (let left = 100; left > 0; left -= 1) await setImmediate();
    expect(source.delivered - before).toBeGreaterThan(100);
    jest.useRealTimers();
    await app.close();
  });

  it('[G7] let the process have its turn as often as a single consumer does, however many there are', async () => {
    const sources = Array.from({ length: 10 }, () => new EagerSource(10_000));
    const workers = sources.map((source, index) => {
      @ScopedWorker()
      class Consumer {
        @ScopedConsumer(`SOURCE ${index}`, { name: `consumer ${index}` })
        handle(): void {}
      }
      return [Consumer, { provide: `SOURCE ${index}`, useValue: source }];
    });
    const { app } = await startApp({ providers: workers.flat() });
    const delivered = (): number => sources.reduce((sum, source) => sum + source.delivered, 0);
    await until(() => sources.every((source) => source.delivered > 0));
    for (let look = 0; look < 10; look += 1) {
      const before = delivered();
      await turn();
      expect(delivered()).toBeGreaterThan(before);
      expect(delivered() - before).toBeLessThan(100); // ten times as many if each counted on its own
    }
    await app.close();
  });

  it('[G7] and fail hold up neither timers nor the other messages', async () => {
    const queue = inMemoryQueue<string>();
    const seen: unknown[] = [];
    const { app } = await startConsumer(queue, ({ payload }) => {
      seen.push(payload);
      if (payload === 'bad') throw new Error('boom');
    });
    for (const body of ['bad', 'b', 'c']) await queue.put(body);
    await until(() => seen.length >= 3);
    await app.close();
    // On a slow machine the failed message may already be back.
    expect(seen.slice(0, 3)).toEqual(['bad', 'b', 'c']);
  });
});

describe('two consumers of one source', () => {
  it('[G7] share its messages; each is handled once', async () => {
    const queue = inMemoryQueue<number>();
    const seen: [string, number][] = [];
    const done = countdown(20);
    const handle = async (name: string, { payload }: Tick<number>): Promise<void> => {
      seen.push([name, payload]);
      await turns();
      done.hit();
    };
    @ScopedWorker()
    class Orders {
      @ScopedConsumer(SOURCE)
      left(tick: Tick<number>): Promise<void> {
        return handle('left', tick);
      }

      @ScopedConsumer(SOURCE, { concurrency: 2 })
      right(tick: Tick<number>): Promise<void> {
        return handle('right', tick);
      }
    }
    await startApp({ providers: [Orders, { provide: SOURCE, useValue: queue }] });
    for (let message = 0; message < 20; message += 1) await queue.put(message);
    await done.done;
    const numbers = seen.map(([, message]) => message).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, message) => message));
    expect(new Set(seen.map(([name]) => name))).toEqual(new Set(['left', 'right']));
  });

  it('[F18] on one method are two schedules', async () => {
    const source = new HandSource();
    const seen: string[] = [];
    @ScopedWorker()
    class Orders {
      @ScopedConsumer(SOURCE)
      @ScopedConsumer(SOURCE)
      handle({ schedule }: Tick): void {
        seen.push(schedule);
      }
    }
    await startApp({ providers: [Orders, { provide: SOURCE, useValue: source }] });
    await until(() => source.pending === 2);
    source.give();
    source.give();
    await source.settled(2);
    expect(seen.toSorted()).toEqual(['Orders.handle', 'Orders.handle#2']);
  });

  it('[F8] do not wait for each other, even with an overlapKey in the defaults', async () => {
    const source = new HandSource();
    const both = countdown(2);
    @ScopedWorker()
    class Orders {
      @ScopedConsumer(SOURCE)
      left(): Promise<void> {
        both.hit();
        return both.done;
      }

      @ScopedConsumer(SOURCE)
      right(): Promise<void> {
        return this.left();
      }
    }
    await startApp({
      providers: [Orders, { provide: SOURCE, useValue: source }],
      options: { defaults: { overlapKey: 'all' } },
    });
    source.give();
    source.give();
    await source.settled(2);
    expect(source.fates.toSorted()).toEqual(['ack 1', 'ack 2']);
  });
});
