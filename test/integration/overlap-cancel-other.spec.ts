import { describe, expect, it } from '@jest/globals';
import { Scope } from '@nestjs/common';
import type { HandlerOptions, Tick, TickReport } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, leap } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { worker, Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';
import { fails, retryApp, succeeds } from '../support/retry-app.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';

appsOnFakeClock();

/** An application with the schedule `Worker.run` and `overlap: 'cancel-other'`. */
async function cancelling(handler: (tick: Tick) => unknown, options: HandlerOptions = {}) {
  const ticks: Tick[] = [];
  const work = (tick: Tick): unknown => {
    ticks.push(tick);
    return handler(tick);
  };
  const Worker = worker([Probe], work, { overlap: 'cancel-other', ...options });
  const test = await startApp({ providers: [...PROBES, Worker] });
  const run = async (payload?: unknown): Promise<{ report: Promise<TickReport> }> => {
    const report = test.registry.run('Worker.run', { payload });
    await turns();
    return { report };
  };
  return { ...test, run, ticks };
}

describe("overlap 'cancel-other'", () => {
  it('[F10] aborts the running one, and runs when it has ended', async () => {
    const { run, ticks, log } = await cancelling((tick) =>
      tick.payload === 'first' ? untilAborted(tick) : 'done',
    );
    const first = await run('first');
    expect(ticks[0]!.signal.aborted).toBe(false);
    const second = await run('second');
    expect(ticks[0]!.signal.reason).toMatchObject({
      name: 'AbortError',
      message: 'Worker.run was aborted: a newer tick replaces it.',
    });
    expect(await first.report).toMatchObject({
      outcome: 'cancelled',
      reason: 'overlap',
      phase: 'handler',
      attempts: 1,
    });
    expect(await second.report).toMatchObject({ outcome: 'succeeded', value: 'done' });
    expect(log.of('error')).toEqual([]);
  });

  it('[F10] aborts nothing when none runs', async () => {
    const { run, ticks } = await cancelling(() => 'done');
    await (
      await run()
    ).report;
    await (
      await run()
    ).report;
    expect(ticks.map(({ signal }) => signal.aborted)).toEqual([false, false]);
  });

  it('[F10] waits until the running one has really ended, and its scope is disposed', async () => {
    const held = gate();
    const disposing = gate();
    const { app, run, ticks, registry } = await cancelling(({ payload, scope }) => {
      if (payload !== 'first') return undefined;
      scope.defer(() => disposing.opened);
      return held.opened; // deaf to its signal
    });
    const first = await run('first');
    const second = await run('second');
    await advance(60_000);
    expect([ticks.length, ticks[0]!.signal.aborted]).toEqual([1, true]);
    held.open();
    await turns();
    expect(ticks).toHaveLength(1);
    expect(registry.stats()).toMatchObject({ openScopes: 1, openedScopes: 1 });
    disposing.open();
    // Its handler took no notice: it has finished its work, and it has succeeded.
    expect((await first.report).outcome).toBe('succeeded');
    expect((await second.report).outcome).toBe('succeeded');
    const { created, disposed } = app.get(ProbeJournal);
    expect([created.length, disposed]).toEqual([2, created]);
  });

  it('[F10] opens its scope after that of the aborted one is closed', async () => {
    const { run, events } = await cancelling((tick) =>
      tick.payload === 'first' ? untilAborted(tick) : undefined,
    );
    const told: string[] = [];
    for (const event of ['scope:opened', 'scope:closed', 'tick:finished'] as const)
      events.on(event, () => told.push(event));
    const first = await run('first');
    await (
      await run('second')
    ).report;
    await first.report;
    expect(told.slice(0, 3)).toEqual(['scope:opened', 'scope:closed', 'scope:opened']);
    expect(told.filter((event) => event === 'tick:finished')).toHaveLength(2);
  });

  it('[F10] for each slot of a cron and of an interval', async () => {
    for (const kind of ['cron', 'interval'] as const) {
      const test = await slotApp(kind, { a: { overlap: 'cancel-other' } });
      const from = (Date.now() - Date.parse('2026-01-15T12:00:00.000Z')) / 1_000;
      await advance(3_000);
      const due = [1, 2, 3].map((second) => `a ${from + second}`);
      expect(test.begun).toEqual(due);
      expect(test.finished).toEqual(due.slice(0, 2).map((slot) => `${slot} cancelled overlap`));
      expect(test.mostAtOnce()).toBe(1);
      await test.app.close();
    }
  });

  it('[F10] merges what comes due while the aborted one still ends', async () => {
    const held = gate();
    const { run, ticks } = await cancelling(({ payload }) =>
      payload === 1 ? held.opened : undefined,
    );
    const runs = [await run(1), await run(2), await run(3), await run(4)];
    held.open();
    const told = await Promise.all(runs.map(async ({ report }) => await report));
    expect(told.map(({ outcome, reason }) => reason ?? outcome)).toEqual([
      'succeeded',
      'merged',
      'merged',
      'succeeded',
    ]);
    expect(ticks.map(({ payload }) => payload)).toEqual([1, 4]);
  });

  it('[F10] leaves the outcome to the handler: it succeeded when it returns, and failed by another error', async () => {
    const returns = await cancelling((tick) =>
      tick.payload === 'first' ? untilAborted(tick).catch(() => 'saved') : undefined,
    );
    const saved = await returns.run('first');
    await (
      await returns.run()
    ).report;
    expect(await saved.report).toMatchObject({ outcome: 'succeeded', value: 'saved' });

    const throws = await cancelling((tick) =>
      tick.payload === 'first'
        ? untilAborted(tick).catch(() => Promise.reject(new Error('no rollback')))
        : undefined,
    );
    const failed = await throws.run('first');
    await (
      await throws.run()
    ).report;
    expect(await failed.report).toMatchObject({ outcome: 'failed' });
    expect(throws.log.of('error')).toHaveLength(1);
  });

  it('[F10] cuts a wait between attempts short', async () => {
    const test = await retryApp([fails, succeeds], {
      handler: { overlap: 'cancel-other', retry: { attempts: 3, backoffMs: 60_000 } },
    });
    const first = test.run();
    await turns();
    const second = test.run();
    expect(await first).toMatchObject({
      outcome: 'cancelled',
      reason: 'overlap',
      attempts: 1,
      error: { message: 'attempt 1 failed' },
    });
    expect(await second).toMatchObject({ outcome: 'succeeded', attempts: 1 });
    expect(performance.now()).toBe(0);
  });

  it('[F10] does not try the aborted one again', async () => {
    const { run, ticks } = await cancelling(
      (tick) => (tick.payload === 'first' ? untilAborted(tick) : undefined),
      { retry: { attempts: 5 } },
    );
    const first = await run('first');
    await (
      await run()
    ).report;
    expect(await first.report).toMatchObject({ outcome: 'cancelled', attempts: 1 });
    expect(ticks).toHaveLength(2);
  });

  it('aborts a tick that is still being built', async () => {
    const building = gate();
    const held = gate();
    let builds = 0;
    const useFactory = async (): Promise<string> => {
      builds += 1;
      if (builds > 1) return 'built';
      building.open();
      await held.opened;
      return 'built';
    };
    let entered = 0;
    const Worker = worker(['SLOW'], () => void (entered += 1), { overlap: 'cancel-other' });
    const provider = { provide: 'SLOW', scope: Scope.REQUEST, useFactory };
    const { registry } = await startApp({ providers: [Worker, provider] });
    const first = registry.run('Worker.run');
    await building.opened;
    const second = registry.run('Worker.run');
    held.open();
    expect(await first).toMatchObject({ outcome: 'cancelled', reason: 'overlap' });
    expect((await second).outcome).toBe('succeeded');
    expect(entered).toBe(1);
  });

  it('with maxConcurrency aborts the oldest that is in the way, and no other', async () => {
    const { run, ticks } = await cancelling(untilAborted, { maxConcurrency: 2 });
    const runs = [await run(1), await run(2), await run(3)];
    expect(ticks.map(({ signal }) => signal.aborted)).toEqual([true, false, false]);
    runs.push(await run(4));
    expect(ticks.map(({ signal }) => signal.aborted)).toEqual([true, true, false, false]);
    expect(ticks.map(({ payload }) => payload)).toEqual([1, 2, 3, 4]);
    for (const { report } of runs.slice(0, 2)) expect((await report).reason).toBe('overlap');
  });

  it('[F8] aborts the tick of another schedule that shares its key, which need not have the rule', async () => {
    const { registry } = await startApp({});
    const held: Tick[] = [];
    const handler = (tick: Tick): Promise<void> => {
      held.push(tick);
      return untilAborted(tick);
    };
    const add = (name: string, options: object): unknown =>
      registry.add({ name, cron: YEARLY, overlapKey: 'k', handler, ...options });
    add('polite', {});
    add('urgent', { overlap: 'cancel-other' });
    const polite = registry.run('polite');
    await turns();
    const urgent = registry.run('urgent');
    expect(await polite).toMatchObject({ outcome: 'cancelled', reason: 'overlap' });
    await turns();
    expect(await registry.run('polite')).toMatchObject({ outcome: 'skipped', reason: 'overlap' });
    registry.cancel('urgent');
    expect(await urgent).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
  });

  it('aborts the running one for slots that were missed, and none of these for another', async () => {
    const test = await slotApp('cron', { a: { overlap: 'cancel-other', misfire: 'all' } });
    await advance(1_000);
    leap(2_000);
    await advance(1_000);
    expect(test.finished).toEqual(['a 1 cancelled overlap']);
    expect(test.begun).toEqual(['a 1', 'a 2']);
    for (let count = 0; count < 3; count += 1) {
      test.release(); // the first of them has ended already
      await advance(0);
    }
    expect(test.begun).toEqual(['a 1', 'a 2', 'a 3', 'a 4']);
    expect(test.finished.slice(1)).toEqual(['a 2 succeeded', 'a 3 succeeded']);
    test.releaseAll();
  });

  it('aborts the items of a list, and none begins any more', async () => {
    const ticks: Tick[] = [];
    const { registry } = await startApp({});
    let lists = 0;
    registry.add({
      name: 'a',
      cron: YEARLY,
      overlap: 'cancel-other',
      forEach: { useFactory: () => [`item 1 of ${(lists += 1)}`, `item 2 of ${lists}`] },
      handler: (tick) => {
        ticks.push(tick);
        return lists === 1 ? untilAborted(tick) : undefined;
      },
    });
    const first = registry.run('a');
    await turns();
    const second = registry.run('a');
    expect(await first).toMatchObject({ outcome: 'cancelled', reason: 'overlap' });
    expect(await second).toMatchObject({ outcome: 'succeeded' });
    expect(ticks.map(({ payload }) => payload)).toEqual([
      'item 1 of 1',
      'item 1 of 2',
      'item 2 of 2',
    ]);
  });

  it('[E6] does not run when the application closes first', async () => {
    const held = gate();
    const test = await cancelling(() => held.opened);
    const first = await test.run();
    const second = await test.run();
    const close = closing(test);
    await turns();
    expect(await second.report).toMatchObject({ outcome: 'skipped', reason: 'stopping' });
    held.open();
    await close.promise;
    expect((await first.report).outcome).toBe('succeeded');
    expect(test.ticks).toHaveLength(1);
  });

  it('does not judge the aborted one as a failure', async () => {
    const { run, registry } = await cancelling(
      (tick) => (tick.payload === 'first' ? untilAborted(tick) : undefined),
      { disabled: false, onFailure: 'pause' },
    );
    await run('first');
    expect((await (await run()).report).outcome).toBe('succeeded');
    expect(registry.get('Worker.run').state).toBe('active');
  });
});
