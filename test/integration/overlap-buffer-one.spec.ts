import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { type HandlerOptions, type Tick, type TickReport } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';
import { gate, type Gate } from '../support/gate.js';
import { worker, Probe, ProbeJournal, PROBES } from '../support/probes.js';
import { closing, turns } from '../support/running-tick.js';
import { slotApp } from '../support/slot-app.js';

appsOnFakeClock();

/** An application with the schedule `Worker.run` and `overlap: 'buffer-one'`; each run waits for its gate. */
async function buffering(options: HandlerOptions = {}) {
  const gates: Gate[] = [];
  const begun: unknown[] = [];
  const handler = async (tick: Tick): Promise<unknown> => {
    const held = gate();
    gates.push(held);
    begun.push(tick.payload);
    await held.opened;
    return tick.payload;
  };
  const Worker = worker([Probe], handler, { disabled: false, overlap: 'buffer-one', ...options });
  const test = await startApp({ providers: [...PROBES, Worker] });
  const run = (payload: unknown): Promise<TickReport> =>
    test.registry.run('Worker.run', { payload });
  const release = async (): Promise<void> => {
    await turns();
    gates.shift()!.open();
    await turns();
  };
  return { ...test, run, begun, release };
}

describe("overlap 'buffer-one'", () => {
  it('[F7] runs two firings at once one after the other', async () => {
    const { app, run, begun, release } = await buffering();
    const reports = [run('first'), run('second')];
    await turns();
    expect(begun).toEqual(['first']);
    await release();
    expect(begun).toEqual(['first', 'second']);
    // The first one's scope is disposed before the second opens.
    expect(app.get(ProbeJournal).alive).toHaveLength(1);
    await release();
    expect((await Promise.all(reports)).map(({ outcome }) => outcome)).toEqual([
      'succeeded',
      'succeeded',
    ]);
  });

  it('[F7] merges a third into the one that waits, and a fourth, and reports it', async () => {
    const { run, begun, release } = await buffering();
    const reports = ['first', 'second', 'third', 'fourth'].map((payload) => run(payload));
    await release();
    await release();
    expect(begun).toEqual(['first', 'fourth']);
    const told = (await Promise.all(reports)).map(({ outcome, reason, value }) => [
      outcome,
      reason ?? value,
    ]);
    expect(told).toEqual([
      ['succeeded', 'first'],
      ['skipped', 'merged'],
      ['skipped', 'merged'],
      ['succeeded', 'fourth'],
    ]);
  });

  it('[F7] has room again as soon as the one that waited runs', async () => {
    const { run, begun, release } = await buffering();
    const reports = [run(1), run(2)];
    await release();
    reports.push(run(3));
    await release();
    await release();
    expect(begun).toEqual([1, 2, 3]);
    for (const report of reports) expect((await report).outcome).toBe('succeeded');
  });

  it('[F7] runs the one that waits though the one before it fails', async () => {
    let runs = 0;
    const held = gate();
    const handler = async (): Promise<void> => {
      runs += 1;
      if (runs === 1) await held.opened;
    };
    const Worker = worker([], handler, { overlap: 'buffer-one' });
    const { registry } = await startApp({ providers: [Worker] });
    const reports = [registry.run('Worker.run'), registry.run('Worker.run')];
    held.fail(new Error('first'));
    expect((await Promise.all(reports)).map(({ outcome }) => outcome)).toEqual([
      'failed',
      'succeeded',
    ]);
  });

  it('[F7] does the same for a cron', async () => {
    const test = await slotApp('cron', { a: { overlap: 'buffer-one' } });
    await advance(4_000);
    test.release();
    await advance(0);
    test.release();
    await advance(0);
    expect(test.begun).toEqual(['a 1', 'a 4']);
    expect(test.skipped).toEqual(['a 2 merged', 'a 3 merged']);
    expect(test.mostAtOnce()).toBe(1);
  });

  it('keeps what was asked for by hand: what is merely due merges into it', async () => {
    const test = await slotApp('interval', { a: {} });
    await advance(1_000);
    const byHand = test.registry.run('a');
    await advance(2_000);
    expect(test.skipped).toEqual(['a 2 merged', 'a 3 merged']);
    test.release();
    await advance(0);
    test.release();
    expect(await byHand).toMatchObject({ outcome: 'succeeded', trigger: 'manual' });
    await advance(0);
    expect(test.begun).toHaveLength(2);
  });

  it('runs what waits in the AsyncLocalStorage context of its caller', async () => {
    const store = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const held = gate();
    const handler = async (): Promise<void> => {
      seen.push(store.getStore());
      store.enterWith('left behind');
      await held.opened;
    };
    const Worker = worker([], handler, {
      overlap: 'allow',
      maxConcurrency: 1,
    });
    const { registry } = await startApp({ providers: [Worker] });
    const reports = ['a', 'b', 'c'].map((name) =>
      store.run(name, () => registry.run('Worker.run')),
    );
    reports.push(registry.run('Worker.run'));
    held.open();
    await Promise.all(reports);
    expect(seen).toEqual(['a', 'b', 'c', undefined]);
  });

  it('[A20] runs what was due in an empty context, though it waited for a tick that has one', async () => {
    const store = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const held = gate();
    const handler = async (tick: Tick): Promise<void> => {
      seen.push([tick.trigger, store.getStore()]);
      await held.opened;
    };
    const { registry } = await startApp({});
    registry.add({ name: 'a', everyMs: 1_000, handler });
    const byHand = store.run('mine', () => registry.run('a'));
    await advance(1_000);
    held.open();
    await byHand;
    await advance(0);
    expect(seen).toEqual([
      ['manual', 'mine'],
      ['interval', undefined],
    ]);
  });

  describe('what waits', () => {
    it('[E6][D23] never runs when the application closes, also while the running one is drained', async () => {
      const test = await slotApp('interval', { a: {} }, { drainTimeoutMs: 10_000 });
      await advance(2_500);
      const close = closing(test);
      await turns();
      expect(test.skipped).toEqual(['a 2 stopping']);
      test.release();
      await close.promise;
      await advance(10_000);
      expect(test.begun).toEqual(['a 1']);
      expect(test.registry.stats()).toMatchObject({ openedScopes: 1, closedScopes: 1 });
    });

    it('[E6] never runs when the application closes, though the running one is abandoned', async () => {
      const test = await buffering();
      const reports = [test.run(1), test.run(2)];
      await turns();
      const close = closing(test);
      await advance(30_000);
      await close.promise;
      await test.release();
      expect(test.begun).toEqual([1]);
      expect((await reports[1])!.reason).toBe('stopping');
      await reports[0];
    });

    it('is skipped by a pause, but not what was asked for by hand', async () => {
      const due = await slotApp('interval', { a: {} });
      await advance(2_000);
      due.registry.pause('a');
      expect(due.skipped).toEqual(['a 2 paused']);
      due.release();
      await advance(0);
      expect(due.begun).toEqual(['a 1']);

      const byHand = await buffering();
      const reports = [byHand.run(1), byHand.run(2)];
      byHand.registry.pause('Worker.run');
      await byHand.release();
      await byHand.release();
      expect((await Promise.all(reports)).map(({ outcome }) => outcome)).toEqual([
        'succeeded',
        'succeeded',
      ]);
    });

    it('is skipped by the removal of its schedule, and the running one ends', async () => {
      const test = await buffering();
      const reports = [test.run(1), test.run(2)];
      test.registry.remove('Worker.run');
      expect(await reports[1]).toMatchObject({ outcome: 'skipped', reason: 'removed' });
      await test.release();
      expect((await reports[0])!.outcome).toBe('succeeded');
      expect(test.begun).toEqual([1]);
    });

    it('is not merged with that of a schedule of the same name that is added after the removal', async () => {
      const { registry } = await startApp({});
      const begun: string[] = [];
      const held = gate();
      const add = (label: string): unknown =>
        registry.add({
          name: 'a',
          everyMs: 3_600_000,
          handler: async () => {
            begun.push(label);
            await held.opened;
          },
        });
      add('old');
      const old = [registry.run('a'), registry.run('a')];
      registry.remove('a');
      add('new');
      const young = registry.run('a');
      await turns();
      held.open();
      expect((await young).outcome).toBe('succeeded');
      expect(await old[1]).toMatchObject({ reason: 'removed' });
      await old[0];
      expect(begun).toEqual(['old', 'new']);
    });

    it.each(['pause', 'remove'] as const)(
      'is skipped if a listener of the tick that it replaces calls %s()',
      async (change) => {
        const { registry, events, begun, skipped, release } = await slotApp('interval', { a: {} });
        await advance(2_500);
        events.once('tick:skipped', () => registry[change]('a'));
        await advance(500);
        const reason = change === 'pause' ? 'paused' : 'removed';
        expect(skipped).toEqual(['a 2 merged', `a 3 ${reason}`]);
        release();
        await advance(0);
        expect(begun).toEqual(['a 1']);
      },
    );

    it('stays when the schedule gets another timing', async () => {
      const test = await slotApp('interval', { a: {} });
      await advance(2_000);
      test.registry.reschedule('a', { everyMs: 10_000 });
      test.release();
      await advance(0);
      expect(test.begun).toEqual(['a 1', 'a 2']);
      test.release();
    });
  });
});
