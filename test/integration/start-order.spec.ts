import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Injectable,
  Module,
  Global,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import {
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  type Tick,
} from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { gate, quietFor, type Gate } from '../support/gate.js';
import { startHttpApp } from '../support/http-app.js';

afterEach(closeApps);

/** Every way for a tick to be due as early as can be. */
const EARLY: [string, () => MethodDecorator][] = [
  ['a timeout of 0', () => ScopedTimeout(0)],
  ['an interval of 1 ms', () => ScopedInterval(1)],
  ['an interval that runs on start', () => ScopedInterval(60_000, { runOnStart: true })],
  ['a cron that runs on start', () => ScopedCron('0 0 0 1 1 *', { runOnStart: true })],
];

function workerWith(decorator: () => MethodDecorator, work: (tick: Tick) => unknown) {
  @ScopedWorker()
  class Early {
    @decorator()
    run(tick: Tick): unknown {
      return work(tick);
    }
  }
  return Early;
}

function allEarly(work: (tick: Tick) => unknown) {
  return EARLY.map(([, decorator]) => workerWith(decorator, work)).map((worker, index) => {
    Object.defineProperty(worker, 'name', { value: `Early${index}` });
    return worker;
  });
}

function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('start-up', () => {
  describe.each(EARLY)('with %s', (_, decorator) => {
    it('[D1] app.init() resolves although the first tick still waits', async () => {
      const held = gate();
      const begun = gate();
      const worker = workerWith(decorator, () => {
        begun.open();
        return held.opened;
      });
      const { registry } = await startApp({ providers: [worker] });
      await begun.opened;
      expect(registry.stats().runningTicks).toBe(1);
      held.open();
    });

    it('[D2] a first tick that burns 300 ms of CPU begins after app.listen() has resolved', async () => {
      const order: string[] = [];
      const burnt = gate();
      const worker = workerWith(decorator, () => {
        order.push('burning');
        burn(300);
        burnt.open();
      });
      const { http } = await startHttpApp({ providers: [worker] });
      order.push('listening');
      await burnt.opened;
      await http.close();
      expect(order.slice(0, 2)).toEqual(['listening', 'burning']);
    });
  });

  it.each([
    ['waits for an HTTP application that listens within 100 ms', 99, 0],
    ['waits no longer for one that does not', 100, 1],
  ])('[D2] a first tick %s', async (_, ms, ticks) => {
    useFakeClock();
    const { next, ...test } = await compileApp({
      providers: [workerWith(EARLY[2]![1], () => undefined)],
    });
    const http = test.app.createNestApplication({ logger: false });
    const started = next('tick:started');
    let begun = 0;
    test.events.on('tick:started', () => (begun += 1));
    await http.init();
    await advance(0);
    await advance(ms);
    const before = begun;
    await http.listen(0, '127.0.0.1');
    await started;
    await http.close();
    jest.useRealTimers();
    expect([before, begun]).toEqual([ticks, 1]);
  });

  it('[D2] an HTTP application that does not listen runs its ticks all the same', async () => {
    const ran = gate<string>();
    const worker = workerWith(EARLY[2]![1], ({ trigger }) => ran.open(trigger));
    const { app } = await compileApp({ providers: [worker] });
    const http = app.createNestApplication({ logger: false });
    await http.init();
    expect(await ran.opened).toBe('start');
    await http.close();
  });

  // Nest does so for `connectMicroservice(options, { deferInitialization: true })`.
  describe('when Nest calls the hooks of start-up a second time', () => {
    @Module({})
    class Feature {}

    it('[D24] earlier changes to schedules stay, and each schedule runs once per slot', async () => {
      const ran: string[] = [];
      const stopped = gate();
      @ScopedWorker()
      class Changed {
        @ScopedInterval(3_600_000, { runOnStart: true })
        once(): void {
          ran.push('once');
          stopped.open();
        }

        @ScopedInterval(3_600_000)
        rescheduled(): void {}

        @ScopedInterval(3_600_000)
        removed(): void {}
      }
      const { app, registry } = await startApp({ imports: [Feature], providers: [Changed] });
      registry.reschedule('Changed.rescheduled', { everyMs: 7_200_000 });
      registry.remove('Changed.removed');
      await app.select(Feature).init();
      await stopped.opened;
      expect(registry.list().map(({ name, everyMs }) => [name, everyMs])).toEqual([
        ['Changed.once', 3_600_000],
        ['Changed.rescheduled', 7_200_000],
      ]);
      await quietFor(50);
      expect(ran).toEqual(['once']);
    });

    it('[XC10] no schedule counts as a job with its own name', async () => {
      const worker = workerWith(
        () => ScopedCron('@yearly'),
        () => undefined,
      );
      const { app } = await startApp({
        imports: [Feature, ScheduleModule.forRoot()],
        providers: [worker],
      });
      await app.select(Feature).init();
      expect([...app.get(SchedulerRegistry).getCronJobs().keys()]).toEqual(['Early.run']);
    });
  });

  describe('when a hook of the application takes long', () => {
    function slow(opened: Promise<void>, hook: 'onModuleInit' | 'onApplicationBootstrap') {
      const reached = gate();
      @Injectable()
      class Slow implements OnModuleInit, OnApplicationBootstrap {
        onModuleInit(): Promise<void> | undefined {
          return hook === 'onModuleInit' ? this.wait() : undefined;
        }

        onApplicationBootstrap(): Promise<void> | undefined {
          return hook === 'onApplicationBootstrap' ? this.wait() : undefined;
        }

        private wait(): Promise<void> {
          reached.open();
          return opened;
        }
      }
      @Module({ providers: [Slow] })
      class InFeature {}
      @Global()
      @Module({ providers: [Slow] })
      class InGlobal {}
      return {
        reached,
        root: { providers: [Slow] },
        feature: { imports: [InFeature] },
        global: { imports: [InGlobal] },
      };
    }

    const places = (['onModuleInit', 'onApplicationBootstrap'] as const).flatMap((hook) =>
      (['root', 'feature', 'global'] as const).map((place) => ({ hook, place })),
    );

    it.each(places)(
      '[D23] runs no tick until $hook in a $place module is done',
      async ({ hook, place }) => {
        const held: Gate = gate();
        let open = false;
        const early: string[] = [];
        const ran = gate();
        const { reached, ...metadata } = slow(held.opened, hook);
        const { imports = [], providers = [] } = metadata[place] as {
          imports?: [];
          providers?: [];
        };
        const workers = allEarly(() => {
          if (!open) early.push('tick');
          ran.open();
        });
        const { app } = await compileApp({ imports, providers: [...providers, ...workers] });
        const starting = app.init();
        await reached.opened;
        await quietFor(30);
        open = true;
        held.open();
        await starting;
        await ran.opened;
        expect(early).toEqual([]);
      },
    );

    it.each(places)(
      '[D3] app.close() during $hook in a $place module: no tick afterwards',
      async ({ hook, place }) => {
        const held: Gate = gate();
        let ticks = 0;
        const { reached, ...metadata } = slow(held.opened, hook);
        const { imports = [], providers = [] } = metadata[place] as {
          imports?: [];
          providers?: [];
        };
        const workers = allEarly(() => (ticks += 1));
        const { app } = await compileApp({ imports, providers: [...providers, ...workers] });
        const starting = app.init();
        await reached.opened;
        const closing = app.close();
        held.open();
        await Promise.allSettled([starting, closing]);
        ticks = 0;
        await quietFor(150);
        expect(ticks).toBe(0);
      },
    );
  });

  it('[D3] app.close() right after app.init(): no tick at all', async () => {
    let ticks = 0;
    const { app } = await startApp({ providers: allEarly(() => (ticks += 1)) });
    await app.close();
    await quietFor(150);
    expect(ticks).toBe(0);
  });

  it('[D3] app.close() right after app.init() of an HTTP application: no tick at all', async () => {
    let ticks = 0;
    const { app } = await compileApp({ providers: allEarly(() => (ticks += 1)) });
    const http = app.createNestApplication({ logger: false });
    await http.init();
    await http.close();
    await quietFor(150);
    expect(ticks).toBe(0);
  });

  it('[D4] compile() then close() without init(): no error, no tick', async () => {
    let ticks = 0;
    const { app, log } = await compileApp({ providers: allEarly(() => (ticks += 1)) });
    await expect(app.close()).resolves.toBeUndefined();
    await quietFor(50);
    expect(ticks).toBe(0);
    expect(log.of('error')).toEqual([]);
  });
});
