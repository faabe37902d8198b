import { describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { BackgroundWorker, PeriodicTimer, ProviderScopeFactory } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { background, begin, runningBackground } from '../support/background.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { advance } from '../support/fake-clock.js';
import { gate, turn } from '../support/gate.js';
import { Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { closing, turns } from '../support/running-tick.js';

/** The loop of the documentation. */
@Injectable()
class Importer extends BackgroundWorker {
  failing: readonly number[] = [];
  iterations = 0;
  /** For each iteration: how many probes it got from two calls, and whether they were disposed meanwhile. */
  readonly seen: [number, boolean][] = [];

  constructor(private readonly scopes: ProviderScopeFactory) {
    super();
  }

  async execute(stopping: AbortSignal): Promise<void> {
    using timer = new PeriodicTimer(1_000, { signal: stopping });
    while (await timer.waitForNextTick()) {
      await this.scopes.run(async (scope) => {
        this.iterations += 1;
        const probes = [await scope.resolve(Probe), await scope.resolve(Probe)];
        await turn();
        this.seen.push([new Set(probes).size, probes[0]!.isDisposed]);
        if (this.failing.includes(this.iterations)) throw new Error('iteration failed');
      });
    }
  }
}

/** Passes seconds one by one, each with the turns that an iteration needs. */
async function seconds(count: number): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    await advance(1_000);
    await turns();
  }
}

describe('A loop with a scope for each iteration', () => {
  appsOnFakeClock();

  it('[J9] N iterations build N probes and dispose N', async () => {
    const { app, registry } = await startApp({ providers: [Importer, ...PROBES] });
    await begin();
    const journal = app.get(ProbeJournal);
    for (let second = 1; second <= 10; second += 1) {
      await seconds(1);
      expect([journal.created.length, journal.disposed.length]).toEqual([second, second]);
    }
    expect(new Set(journal.created).size).toBe(10);
    expect(registry.stats()).toMatchObject({ openScopes: 0, openedScopes: 10, closedScopes: 10 });
    await app.close();
    expect(app.get(Importer).seen).toEqual(Array.from({ length: 10 }, () => [1, false]));
  });

  it('[J9] also of iterations that fail, after which the loop begins again', async () => {
    const { app, log } = await startApp({ providers: [Importer, ...PROBES] });
    app.get(Importer).failing = [2, 5];
    await begin();
    await seconds(10);
    const journal = app.get(ProbeJournal);
    expect(app.get(Importer).iterations).toBeGreaterThanOrEqual(6);
    expect(journal.created).toHaveLength(app.get(Importer).iterations);
    expect(journal.alive).toEqual([]);
    expect(log.of('error')).toEqual([
      'Importer.execute failed (restart in 1000 ms): iteration failed',
      'Importer.execute failed (restart in 2000 ms): iteration failed',
    ]);
  });

  it('[E5] app.close() between two iterations resolves at once', async () => {
    const test = await startApp({ providers: [Importer, ...PROBES] });
    await begin();
    await seconds(1);
    const now = performance.now();
    await test.app.close();
    expect(performance.now()).toBe(now);
    expect(test.log.of('error')).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[E6] a merged tick that is still pending at close never runs', async () => {
    const held = gate();
    let iterations = 0;
    const test = await runningBackground(async (stopping) => {
      const timer = new PeriodicTimer(1_000, { signal: stopping });
      while (await timer.waitForNextTick()) {
        iterations += 1;
        await held.opened;
      }
    });
    await advance(3_500);
    expect(iterations).toBe(1);
    const close = closing(test);
    await turns();
    expect(close.done).toBe(false);
    held.open();
    await close.promise;
    await advance(10_000);
    expect(iterations).toBe(1);
  });

  it('[E6] without a close it runs', async () => {
    const held = gate();
    let iterations = 0;
    await runningBackground(async (stopping) => {
      const timer = new PeriodicTimer(1_000, { signal: stopping });
      while (await timer.waitForNextTick()) {
        iterations += 1;
        await held.opened;
      }
    });
    await advance(3_500);
    held.open();
    await turns();
    expect(iterations).toBe(2);
  });

  it('[J1] lets go of each timer and each signal, run after run', async () => {
    const kept: WeakRef<object>[] = [];
    const { app } = await startApp({
      providers: [
        background('Sync', async (stopping, run) => {
          const timer = new PeriodicTimer(100, { signal: stopping });
          kept.push(new WeakRef(timer), new WeakRef(stopping));
          await timer.waitForNextTick();
          throw new Error(`run ${run}`);
        }),
      ],
    });
    await begin();
    for (let second = 0; second < 200; second += 1) await advance(1_000);
    expect(kept.length).toBeGreaterThanOrEqual(12);
    await app.close();
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
    await collectGarbage();
    // The last signal is kept: what listens to it hears of the shutdown.
    expect(kept.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(1);
  });
});
