import { afterEach, describe, expect, it } from '@jest/globals';
import { closeApps, startApp } from '../support/app.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { detectLeaks } from '../support/detect-leaks.js';
import { gate } from '../support/gate.js';
import { RequestScoped, worker } from '../support/probes.js';

// What is promised of memory holds while leaks are looked for, with every instance in a proxy.
detectLeaks({ strict: true, graceMs: 0 });
await import('./memory.spec.js');

describe('Memory while leaks are looked for', () => {
  let built: WeakRef<object>[] = [];
  let disposals = 0;
  const alive = (): number => built.filter((ref) => ref.deref() !== undefined).length;

  @RequestScoped()
  class Noted {
    constructor() {
      built.push(new WeakRef(this));
    }
    onModuleDestroy(): void {
      disposals += 1;
    }
  }
  @RequestScoped()
  class Plain {
    constructor() {
      built.push(new WeakRef(this));
    }
  }

  afterEach(async () => {
    await closeApps();
    [built, disposals] = [[], 0];
  });

  it('[J3] stays flat over 20,000 ticks of which every third fails', async () => {
    const error = new Error('down');
    let ticks = 0;
    const Worker = worker([Noted], () => {
      ticks += 1;
      built = [];
      if (ticks % 3 === 0) throw error;
    });
    const silent = (): void => undefined;
    const { registry } = await startApp({
      build: (builder) => builder.setLogger({ log: silent, error: silent, warn: silent }),
      options: { leakDetection: { graceMs: 0 } },
      providers: [Worker, Noted],
    });
    const run = async (count: number): Promise<number> => {
      for (let tick = 0; tick < count; tick += 1) await registry.run('Worker.run');
      await collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const early = await run(4_000);
    const middle = await run(8_000);
    const late = await run(8_000);

    expect(registry.stats()).toMatchObject({ openScopes: 0, closedScopes: 20_000 });
    expect(disposals).toBe(20_000);
    expect(late - early).toBeLessThan(16_000 * 60);
    expect(late - middle).toBeLessThan(8_000 * 60);
  }, 480_000);

  it('[J5] keeps the instances of a tick for the whole tick though the handler drops them', async () => {
    const begun = gate();
    const mayEnd = gate();
    const Worker = worker([], async ({ scope }) => {
      await scope.resolve(Noted).then(() => undefined);
      begun.open();
      await mayEnd.opened;
    });
    const { registry } = await startApp({ providers: [Worker, Noted] });
    const ended = registry.run('Worker.run');
    await begun.opened;
    await collectGarbage();
    expect(alive()).toBe(1);
    expect(disposals).toBe(0);
    mayEnd.open();
    await ended;

    expect(disposals).toBe(1);
  });

  it('[J5] disposes a standalone scope that was dropped when the application closes', async () => {
    const { scopes, app } = await startApp({ providers: [Noted] });
    await scopes.open().then((scope) => scope.resolve(Noted).then(() => undefined));
    await collectGarbage();
    expect(disposals).toBe(0);
    await app.close();

    expect(disposals).toBe(1);
  });

  it('[J6, B19] lets go of what a stray timer of the tick does not use itself', async () => {
    const timers: NodeJS.Timeout[] = [];
    const Worker = worker([Noted, Plain], () => {
      timers.push(setInterval(() => undefined, 3_600_000).unref());
    });
    const { registry } = await startApp({ providers: [Worker, Noted, Plain] });
    await registry.run('Worker.run');
    expect(built).toHaveLength(2);
    await collectGarbage();

    expect(alive()).toBe(0);
    timers.forEach(clearInterval);
  });
});
