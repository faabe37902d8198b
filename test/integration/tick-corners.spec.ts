import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  ScopedInterval,
  ScopedWorker,
  type ProviderScope,
  type ScopedWorkerRegistry,
  type Tick,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { HandSource, startConsumer } from '../support/consumers.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { forEachApp } from '../support/for-each.js';
import { RequestScoped, worker } from '../support/probes.js';
import { turns } from '../support/running-tick.js';

/** Where parts of a tick's way meet that seldom do. */
describe('A tick', () => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeApps();
    jest.useRealTimers();
  });

  it('[XA8] that is committed is not tried again, though work that its commit began has failed', async () => {
    let commits = 0;
    @RequestScoped()
    class Unit {
      scope: ProviderScope | undefined;

      onScopeCommit(): void {
        commits += 1;
        this.scope?.waitFor(turns().then(() => Promise.reject(new Error('late'))));
      }
    }
    const handler = (tick: Tick, unit: Unit): void => {
      unit.scope = tick.scope;
    };
    const Worker = worker([Unit], handler, { retry: { attempts: 3 } });
    const { registry } = await startApp({ providers: [Unit, Worker] });
    const report = await registry.run('Worker.run');
    expect(report).toMatchObject({ outcome: 'failed', phase: 'dispose', attempts: 1 });
    expect(commits).toBe(1);
  });

  it('[XF7] whose list factory runs its own schedule does not wait for itself', async () => {
    const own: { registry?: ScopedWorkerRegistry; outcome?: string } = {};
    const { registry } = await forEachApp({
      list: async () => {
        own.outcome = (await own.registry!.run('Worker.run', { payload: 'own' })).outcome;
        return [1];
      },
      handler: { overlap: 'buffer-one' },
    });
    own.registry = registry;
    expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
    expect(own.outcome).toBe('skipped');
  });

  it('[XF7] whose ack() runs its own schedule does not wait for itself', async () => {
    const { source, registry } = await startConsumer(new HandSource(), () => undefined);
    source.give('a', {
      ack: async () => {
        await registry.run('Consumer.handle', { payload: 'b' });
        source.note('ack');
      },
    });
    await source.settled(1);
    expect(source.fates).toEqual(['ack']);
  });

  it('[B34] whose message cannot be settled ends all the same, and so does app.close()', async () => {
    const { source, app, registry } = await startConsumer(new HandSource(), () => {
      throw new Error('boom');
    });
    const unsettled: object = {
      id: '1',
      body: 1,
      ack: () => undefined,
      nack: () => undefined,
      get deliveries(): number {
        throw new Error('getter');
      },
    };
    source.giveRaw(unsettled as never);
    await turns();
    await app.close();
    expect(registry.stats().runningTicks).toBe(0);
  });

  it('[D23] whose slot waits for its jitter at the shutdown is skipped, and reported', async () => {
    useFakeClock();
    @ScopedWorker()
    class Worker {
      @ScopedInterval(1_000, { jitterMs: 900 })
      run(): void {}
    }
    const { app, events } = await startApp({ providers: [Worker] });
    jest.spyOn(Math, 'random').mockReturnValue(0.99); // Nest draws its ids from it as well
    const told: unknown[] = [];
    events.on('tick:skipped', ({ reason }) => told.push(reason));
    events.on('tick:started', () => told.push('started'));
    await advance(1_000);
    await app.close();
    expect(told).toEqual(['stopping']);
  });
});

describe('A list', () => {
  afterEach(closeApps);

  it('[XF5] ends when a listener pauses its schedule on the report of an item', async () => {
    const { registry, events, begun } = await forEachApp({ list: [1, 2, 3, 4] });
    events.on('tick:finished', () => registry.pause('Worker.run'));
    expect((await registry.run('Worker.run')).outcome).toBe('cancelled');
    expect(begun).toEqual([1]);
  });

  it.each([0, 1, 2, 3, 4, 6, 9])(
    '[XF5] that was cut short has not succeeded, resumed %d microtasks after its last item',
    async (microtasks) => {
      const test = await forEachApp({ list: [1, 2] }, () => test.registry.pause('Worker.run'));
      const { registry, events } = test;
      events.on('tick:finished', async ({ items }) => {
        if (items !== undefined) return;
        for (let count = 0; count < microtasks; count += 1) await Promise.resolve();
        registry.resume('Worker.run');
      });
      const { outcome, items } = await registry.run('Worker.run');
      expect(outcome).toBe(items!.length < 2 ? 'cancelled' : 'succeeded');
    },
  );
});
