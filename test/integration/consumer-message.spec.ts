import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Module } from '@nestjs/common';
import {
  currentTick,
  inMemoryQueue,
  InjectTick,
  ScopedConsumer,
  ScopedWorker,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import {
  boom,
  type AnyTick,
  consumer,
  HandSource,
  SOURCE,
  startConsumer,
  until,
  idle,
  scripted,
} from '../support/consumers.js';
import { countdown, gate } from '../support/gate.js';
import { RequestScoped, Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { turns } from '../support/running-tick.js';
import { AsyncLocalStorage } from 'node:async_hooks';

afterEach(closeApps);

/** An application whose consumer has a Probe. */
async function withProbes(
  source: HandSource,
  handler: (tick: AnyTick, probe: Probe) => unknown,
  concurrency = 1,
) {
  const test = await startApp({
    providers: [
      ...PROBES,
      consumer([Probe], handler, { concurrency }),
      { provide: SOURCE, useValue: source },
    ],
  });
  return { ...test, journal: test.app.get(ProbeJournal) };
}

describe('a message', () => {
  it('[G1] has its own scope: 5 messages at concurrency 5, 5 Probes, 5 disposals', async () => {
    const source = new HandSource();
    const all = countdown(5);
    const seen = new Map<unknown, Probe>();
    const { journal, registry } = await withProbes(
      source,
      async ({ payload }, probe) => {
        seen.set(payload, probe);
        all.hit();
        await all.done; // all five are worked on at once
      },
      5,
    );
    for (const body of ['a', 'b', 'c', 'd', 'e']) source.give(body);
    await source.settled(5);
    // In any order: a worker that a plan builds may overtake one that Nest builds.
    expect(new Set(seen.keys())).toEqual(new Set(['a', 'b', 'c', 'd', 'e']));
    expect(new Set(seen.values()).size).toBe(5);
    expect(journal.created).toHaveLength(5);
    expect(new Set(journal.disposed).size).toBe(5);
    expect(journal.alive).toEqual([]);
    await turns();
    expect(registry.stats()).toMatchObject({ openedScopes: 5, closedScopes: 5, runningTicks: 0 });
  });

  it('[A11] has its own worker: what is left on `this` is gone with the next one', async () => {
    const seen: number[] = [];
    @ScopedWorker()
    class Counter {
      count = 0;

      @ScopedConsumer(SOURCE)
      handle(): void {
        seen.push((this.count += 1));
      }
    }
    const source = new HandSource();
    await startApp({ providers: [Counter, { provide: SOURCE, useValue: source }] });
    source.give();
    source.give();
    await source.settled(2);
    expect(seen).toEqual([1, 1]);
  });

  it.each([['text'], [{ order: 7 }], [0], [''], [false], [null], [undefined]])(
    '%p arrives as tick.payload',
    async (body) => {
      const seen: unknown[] = [];
      const { source } = await startConsumer(new HandSource(), ({ payload }) => seen.push(payload));
      source.give(body);
      await source.settled(1);
      expect(seen).toEqual([body]);
      expect(seen[0]).toBe(body);
    },
  );

  it('[A22] its tick is injected, has the trigger message, and is the current one', async () => {
    const seen: unknown[] = [];
    @RequestScoped()
    class Reader {
      constructor(@InjectTick() private readonly tick: Tick<string>) {}

      read(): void {
        const { payload, trigger, schedule, attempt } = this.tick;
        seen.push({ payload, trigger, schedule, attempt }, currentTick() === this.tick);
      }
    }
    const source = new HandSource();
    const Consumer = consumer<[Reader]>([Reader], (_, reader) => reader.read());
    await startApp({ providers: [Reader, Consumer, { provide: SOURCE, useValue: source }] });
    source.give('order');
    await source.settled(1);
    expect(seen).toEqual([
      { payload: 'order', trigger: 'message', schedule: 'Consumer.handle', attempt: 1 },
      true,
    ]);
  });

  it('[G7] that fails does not affect those before, beside and after it', async () => {
    const held = gate();
    const { source, reports } = await startConsumer(
      new HandSource(),
      async ({ payload }) => {
        if (payload === 'bad') throw boom();
        if (payload === 'beside') await held.opened;
      },
      { concurrency: 2 },
    );
    for (const body of ['before', 'beside', 'bad', 'after']) source.give(body);
    await source.settled(3);
    expect(source.fates).toEqual(['ack 1', 'nack 3: boom', 'ack 4']);
    held.open();
    await source.settled(4);
    expect(source.fates.at(-1)).toBe('ack 2');
    await until(() => reports.length === 4);
    expect(reports.map(({ outcome }) => outcome)).toEqual([
      'succeeded',
      'failed',
      'succeeded',
      'succeeded',
    ]);
  });

  it('[B33] whose worker cannot be built goes back, and the next one is tried', async () => {
    let isDown = true;
    @RequestScoped()
    class Database {
      constructor() {
        if (isDown) throw new Error('database down');
      }
    }
    const source = new HandSource();
    const providers = [Database, consumer([Database]), { provide: SOURCE, useValue: source }];
    const { registry } = await startApp({ providers });
    source.give();
    await source.settled(1);
    isDown = false;
    source.give();
    await source.settled(2);
    expect(source.fates).toEqual(['nack 1: database down', 'ack 2']);
    await turns();
    expect(registry.get('Consumer.handle').lastReport?.outcome).toBe('succeeded');
  });

  it('[G8] that is enqueued during consumption is not lost', async () => {
    const queue = inMemoryQueue<number>();
    const done = countdown(40);
    const seen: number[] = [];
    const { registry } = await startConsumer(
      queue,
      async ({ payload }: Tick<number>) => {
        seen.push(payload);
        // Of the first twenty each brings another one, half of them after the handler has returned.
        if (payload < 10) await queue.put(payload + 20);
        else if (payload < 20) setImmediate(() => void queue.put(payload + 20));
        done.hit();
      },
      { concurrency: 3 },
    );
    for (let message = 0; message < 20; message += 1) await queue.put(message);
    await done.done;
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, id) => id));
    await turns();
    expect(queue.size).toBe(0);
    expect(registry.stats()).toMatchObject({ openedScopes: 40, closedScopes: 40 });
  });

  it('[B28] opens as many scopes as it closes, after any mix of outcomes', async () => {
    const { source, registry, reports } = await startConsumer(
      new HandSource(),
      ({ payload, scope, signal }) => {
        if (payload % 4 === 1) throw boom();
        if (payload % 4 === 2) scope.defer(() => Promise.reject(boom()));
        if (payload % 4 === 3)
          return new Promise((resolve) => signal.addEventListener('abort', resolve));
        return undefined;
      },
      { concurrency: 4, timeoutMs: 5, retry: { attempts: 2 } },
    );
    for (let body = 0; body < 40; body += 1) source.give(body);
    await source.settled(40);
    await until(() => reports.length === 40);
    const { openedScopes, closedScopes } = registry.stats();
    expect([openedScopes, closedScopes]).toEqual([60, 60]);
    expect(source.fates.filter((fate) => fate.startsWith('ack'))).toHaveLength(10);
  });

  it('[A23] is handled by a controller as well', async () => {
    const seen: unknown[] = [];
    @ScopedWorker()
    @Controller('orders')
    class Orders {
      @ScopedConsumer(SOURCE)
      handle({ payload }: Tick): void {
        seen.push(payload);
      }
    }
    const source = new HandSource();
    await startApp({
      controllers: [Orders],
      providers: [{ provide: SOURCE, useValue: source }],
    });
    source.give('order');
    await source.settled(1);
    expect(seen).toEqual(['order']);
    expect(source.fates).toEqual(['ack 1']);
  });

  it.each([['before'], ['after']])(
    '[A23] comes from the source that the module of its worker imports, even with another one %s it',
    async (place) => {
      const [mine, other] = [new HandSource(), new HandSource()];
      @Module({ providers: [{ provide: SOURCE, useValue: mine }], exports: [SOURCE] })
      class MineModule {}
      @Module({ providers: [{ provide: SOURCE, useValue: other }], exports: [SOURCE] })
      class OtherModule {}
      @Module({ imports: [MineModule], providers: [consumer([])] })
      class WorkerModule {}
      const imports = [WorkerModule, OtherModule];
      await startApp({ imports: place === 'after' ? imports : imports.toReversed() });
      await until(() => mine.opened + other.opened === 1);
      expect([mine.opened, other.opened]).toEqual([1, 0]);
    },
  );
});

describe('the AsyncLocalStorage context of a message', () => {
  const storage = new AsyncLocalStorage<string>();

  it('[A19] what a handler enters is invisible to the next message, to a parallel one and to ack()', async () => {
    const seen: unknown[] = [];
    const both = countdown(2);
    const { source } = await startConsumer(
      new HandSource(),
      async ({ payload }) => {
        seen.push(storage.getStore());
        storage.enterWith(String(payload));
        both.hit();
        if (payload !== 'next') await both.done;
        expect(storage.getStore()).toBe(payload);
      },
      { concurrency: 2 },
    );
    const ack = (): void => {
      seen.push(storage.getStore());
      source.note('acked');
    };
    for (const body of ['a', 'b', 'next']) source.give(body, { ack });
    await source.settled(3);
    expect(seen).toEqual(Array(6).fill(undefined));
  });

  it('[A20] a message never sees the store of the code that started the application, or that put it into the queue', async () => {
    const seen: unknown[] = [];
    const queue = inMemoryQueue();
    const done = countdown(3);
    const handler = (): void => {
      seen.push(storage.getStore());
      done.hit();
    };
    await storage.run('starter', () => startConsumer(queue, handler));
    await storage.run('first', () => queue.put('waits for the start'));
    await turns();
    await storage.run('second', () => queue.put('is waited for'));
    await storage.run('third', () => queue.put('is waited for as well'));
    await done.done;
    expect(seen).toEqual([undefined, undefined, undefined]);
  });

  it('[A20] neither does the source, whenever it is read', async () => {
    const seen: unknown[] = [];
    const source = scripted((signal) => {
      seen.push(storage.getStore());
      if (seen.length === 1) throw new Error('boom');
      return idle(signal);
    });
    await storage.run('starter', () => startConsumer(source, () => undefined));
    await until(() => source.opened === 2);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('[A20] a message never sees what its source has entered', async () => {
    const seen: unknown[] = [];
    const delivery = { id: '1', body: 1, nack: () => undefined };
    const done = countdown(2);
    const source = {
      async *read(signal: AbortSignal) {
        storage.enterWith('source');
        yield { ...delivery, ack: done.hit };
        await Promise.resolve();
        yield { ...delivery, ack: done.hit };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    };
    await startConsumer(source, () => seen.push(storage.getStore()));
    await done.done;
    expect(seen).toEqual([undefined, undefined]);
  });
});
