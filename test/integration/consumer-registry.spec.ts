import { afterEach, describe, expect, it } from '@jest/globals';
import { inMemoryQueue, type ConsumerOptions, type Tick, type Engine } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import {
  type AnyTick,
  consumer,
  HandSource,
  SOURCE,
  startConsumer,
  until,
} from '../support/consumers.js';
import { gate } from '../support/gate.js';
import { turns, untilAborted } from '../support/running-tick.js';

afterEach(closeApps);

const NAME = 'Consumer.handle';

/** A consumer that has asked for its first message, with the reports of skipped ticks. */
async function reading(
  handler: (tick: AnyTick) => unknown = () => undefined,
  options?: ConsumerOptions,
) {
  const test = await startConsumer(new HandSource(), handler, options);
  const skipped: unknown[] = [];
  test.events.on('tick:skipped', ({ reason }) => skipped.push(reason));
  const changes: unknown[] = [];
  test.events.on('schedule:changed', ({ change }) => changes.push(change));
  await until(() => test.source.asked === 1);
  return { ...test, skipped, changes };
}

describe('a consumer in the registry', () => {
  it('[I15] is listed under its name, with its last report', async () => {
    const { registry, source, next } = await reading();
    expect(registry.list()).toEqual([
      expect.objectContaining({
        name: NAME,
        handler: NAME,
        kind: 'message',
        state: 'active',
        expression: undefined,
        everyMs: undefined,
        nextRun: undefined,
        lastReport: undefined,
        running: 0,
      }),
    ]);
    const finished = next('tick:finished');
    source.give();
    const { tickId } = await finished;
    expect(registry.get(NAME).lastReport).toMatchObject({ tickId, trigger: 'message' });
  });

  it('has its own name when its options set one', async () => {
    const { registry, source, next } = await startConsumer(new HandSource(), () => undefined, {
      name: 'orders',
    });
    const finished = next('tick:finished');
    source.give();
    expect((await finished).schedule).toBe('orders');
    expect(registry.get('orders').handler).toBe(NAME);
  });

  describe('pause()', () => {
    it('[XG1] asks for no more messages until resume()', async () => {
      const { registry, source, changes } = await reading();
      source.give();
      await until(() => source.asked === 2);
      registry.pause(NAME);
      expect(registry.get(NAME).state).toBe('paused');
      source.give(); // was asked for before
      await source.settled(2);
      source.give();
      await turns();
      expect([source.fates, source.asked]).toEqual([['ack 1', 'nack 2'], 2]);
      registry.resume(NAME);
      await source.settled(3);
      expect(source.fates.at(-1)).toBe('ack 3');
      expect(changes).toEqual(['paused', 'resumed']);
    });

    it('[A21] builds nothing for a message that was asked for before; it goes back, uncounted', async () => {
      const { registry, source, skipped } = await reading();
      registry.pause(NAME);
      source.give();
      await source.settled(1);
      expect([source.fates, skipped]).toEqual([['nack 1'], ['paused']]);
      expect(registry.stats().openedScopes).toBe(0);
    });

    it('lets the message finish that is worked on', async () => {
      const held = gate();
      const { registry, source } = await reading(() => held.opened);
      source.give();
      await turns();
      registry.pause(NAME);
      held.open();
      await source.settled(1);
      expect(source.fates).toEqual(['ack 1']);
    });

    it('sends a message back that waits behind a run by hand', async () => {
      const held = gate();
      const { registry, source } = await reading(() => held.opened);
      const byHand = registry.run(NAME);
      await turns();
      source.give();
      await turns();
      expect(source.fates).toEqual([]);
      registry.pause(NAME);
      await source.settled(1);
      expect(source.fates).toEqual(['nack 1']);
      held.open();
      expect((await byHand).outcome).toBe('succeeded');
    });

    it('before start-up has settled leaves the source unread until resume()', async () => {
      const source = new HandSource();
      const { registry } = await startApp({
        providers: [consumer([]), { provide: SOURCE, useValue: source }],
      });
      registry.pause(NAME); // start-up has not settled: nothing is read yet
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(source.opened).toBe(0);
      registry.resume(NAME);
      await until(() => source.opened === 1);
    });

    it('loses nothing, however often it is paused and resumed', async () => {
      const queue = inMemoryQueue<number>();
      const seen: number[] = [];
      const { registry } = await startConsumer(
        queue,
        async ({ payload }: Tick<number>) => {
          await turns();
          seen.push(payload);
        },
        { concurrency: 2 },
      );
      for (let message = 0; message < 30; message += 1) await queue.put(message);
      for (let count = 0; count < 10; count += 1) {
        registry.pause(NAME);
        await turns();
        registry.resume(NAME);
        await turns();
      }
      await until(() => seen.length === 30);
      expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, at) => at));
    });
  });

  describe('remove()', () => {
    it('[XG1] ends the reading, lets the running message finish, and reads no more', async () => {
      const held = gate();
      const { registry, source } = await reading(() => held.opened, { concurrency: 2 });
      source.give();
      await until(() => source.asked === 2);
      registry.remove(NAME);
      await turns();
      expect(source.signals[0]!.reason).toMatchObject({
        message: 'The source of Consumer.handle must end: the consumer was removed.',
      });
      expect([source.pending, source.fates]).toEqual([0, []]);
      held.open();
      await source.settled(1);
      expect([source.fates, source.opened]).toEqual([['ack 1'], 1]);
      expect(() => registry.get(NAME)).toThrow(
        expect.objectContaining({ code: 'UNKNOWN_SCHEDULE' }) as unknown as Error,
      );
    });

    it('[D20] the shutdown still waits for its running message, and for ack()', async () => {
      const held = gate();
      const { registry, source, app } = await reading();
      source.give(undefined, { ack: () => held.opened.then(() => source.note('ack')) });
      await turns();
      registry.remove(NAME);
      let isClosed = false;
      const closing = app.close().then(() => (isClosed = true));
      await turns();
      expect(isClosed).toBe(false);
      held.open();
      await closing;
      expect(source.fates).toEqual(['ack']);
    });

    it('[XF8] its last tick neither pauses nor reports to a new schedule with its name', async () => {
      const held = gate();
      const { registry, source } = await reading(
        () => held.opened.then(() => Promise.reject(new Error('late'))),
        { onFailure: 'pause' },
      );
      source.give();
      await turns();
      registry.remove(NAME);
      registry.add({ name: NAME, handler: () => undefined, everyMs: 3_600_000 });
      held.open();
      await source.settled(1);
      await turns();
      expect(source.fates).toEqual(['nack 1: late']);
      expect(registry.get(NAME)).toMatchObject({ state: 'active', lastReport: undefined });
    });

    it('while it is paused ends the reading too', async () => {
      const { registry, source } = await reading();
      registry.pause(NAME);
      registry.remove(NAME);
      await turns();
      expect(source.signals[0]!.aborted).toBe(true);
    });
  });

  it('[XG1] cancel() aborts the messages that are worked on; they go back and come again', async () => {
    const queue = inMemoryQueue<string>();
    let seen = 0;
    const done = gate();
    const { registry, reports } = await startConsumer(queue, (tick) => {
      seen += 1;
      return seen === 1 ? untilAborted(tick) : done.open();
    });
    await queue.put('order');
    await until(() => registry.cancel(NAME) === 1);
    await done.opened;
    await until(() => reports.length === 2);
    expect(reports.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['cancelled', 'cancel'],
      ['succeeded', undefined],
    ]);
    expect(queue.size).toBe(0);
  });

  it('[XG1] run() calls the handler with a payload, also while it is paused', async () => {
    const seen: unknown[] = [];
    const { registry, source } = await reading(({ payload }) => seen.push(payload));
    registry.pause(NAME);
    expect((await registry.run(NAME, { payload: 'by hand' })).outcome).toBe('succeeded');
    expect([seen, source.fates]).toEqual([['by hand'], []]);
  });

  it('[XG1] reschedule() is refused: it has no timing', async () => {
    const { registry, source } = await reading();
    expect(() => registry.reschedule(NAME, { everyMs: 1_000 })).toThrow(
      expect.objectContaining({
        code: 'INVALID_SCHEDULE',
        problems: [
          'registry.reschedule("Consumer.handle"): a consumer has no timing; pause it instead.',
        ],
      }) as unknown as Error,
    );
    source.give();
    await source.settled(1);
    expect(source.fates).toEqual(['ack 1']);
  });
});

/** Consumers beside the other parts of the application. */
describe('a consumer in the application', () => {
  it('[G11] obeys overrides.maxConcurrency rather than its own concurrency', async () => {
    const held = gate();
    const options = { overrides: { 'Consumer.handle': { maxConcurrency: 1 } } };
    const { source } = await startConsumer(
      new HandSource(),
      () => held.opened,
      { concurrency: 3 },
      { options },
    );
    for (let count = 0; count < 5; count += 1) source.give(count);
    await until(() => source.asked > 0);
    await turns();
    held.open();
    expect(source.asked).toBe(1);
  });

  it('[XC8] refuses an override that consumers lack, and accepts its neighbor', async () => {
    const start = (override: object) =>
      startConsumer(
        new HandSource(),
        () => 1,
        {},
        {
          options: { overrides: { 'Consumer.handle': override } },
        },
      );
    await expect(start({ overlap: 'skip' })).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' });
    await expect(start({ timeoutMs: 1_000 })).resolves.toBeDefined();
  });

  it('is not registered with an engine, which knows due times only', async () => {
    const told: string[] = [];
    const engine: Engine = {
      name: 'hand',
      start: (schedules) => void told.push(...schedules.map(({ name }) => name)),
      stop: () => undefined,
      add: () => undefined,
      replace: () => undefined,
      remove: (name) => void told.push(`remove ${name}`),
      pause: (name) => void told.push(`pause ${name}`),
      resume: (name) => void told.push(`resume ${name}`),
      nextRun: (name) => void told.push(`nextRun ${name}`) as undefined,
    };
    const { registry } = await startConsumer(
      new HandSource(),
      () => 1,
      {},
      { options: { engine } },
    );
    registry.pause('Consumer.handle');
    registry.resume('Consumer.handle');
    registry.remove('Consumer.handle');
    expect(told).toEqual([]);
  });

  it('[B28] counts as running until its message is acknowledged', async () => {
    const held = gate();
    const { source, registry, next } = await startConsumer(new HandSource(), () => 1);
    const finished = next('tick:finished');
    source.give(1, { ack: () => held.opened });
    await until(() => registry.stats().closedScopes === 1);
    await turns();
    expect(registry.stats().runningTicks).toBe(1);
    held.open();
    await finished;
    expect(registry.stats().runningTicks).toBe(0);
  });

  it('[E5] does not delay the shutdown, and is not named by it, while it is idle', async () => {
    const { app, next } = await startConsumer(inMemoryQueue(), () => 1);
    await turns();
    const started = next('shutdown:started');
    await app.close();
    expect((await started).waitingFor).toEqual([]);
  });
});
