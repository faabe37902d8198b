import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Scope } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { ScopedInterval, ScopedWorker, type HandlerOptions, type Tick } from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { forEachApp, type ForEachApp, type ForEachOptions } from '../support/for-each.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { heard } from '../support/run-time-schedules.js';
import { closing, turns, untilAborted } from '../support/running-tick.js';

afterEach(closeApps);

/** A list of four items whose second one is at work when this resolves. */
async function inTheMiddle(
  { options, ...more }: Partial<ForEachOptions> = {},
  second: (tick: Tick) => unknown = untilAborted,
) {
  const begun = gate();
  const test = await forEachApp(
    { list: [1, 2, 3, 4], ...(options === undefined ? {} : { options }), ...more },
    (item: number, tick) => {
      if (item !== 2) return item;
      begun.open();
      return second(tick);
    },
  );
  const run = test.registry.run('Worker.run');
  await begun.opened;
  return { ...test, run };
}

const outcomes = (items: readonly { outcome: string }[] | undefined) =>
  items?.map(({ outcome }) => outcome);

describe('The end of a forEach in the middle of its list', () => {
  describe('when it is cancelled', () => {
    it('aborts the item at work, and no further item begins', async () => {
      const { registry, run, begun } = await inTheMiddle();
      expect(registry.cancel('Worker.run')).toBe(1);
      const report = await run;
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(outcomes(report.items)).toEqual(['succeeded', 'cancelled']);
      expect(begun).toEqual([1, 2]);
    });

    it('is reported, also when nobody waits for its summary', async () => {
      const { registry, run, finished, log } = await inTheMiddle();
      registry.cancel('Worker.run');
      const report = await run;
      expect(finished).toEqual([...report.items!, report]);
      expect(log.of('error')).toEqual([]);
    });

    it('has been cancelled also when the item at work succeeds all the same', async () => {
      const held = gate();
      const { registry, run } = await inTheMiddle({}, () => held.opened);
      registry.cancel('Worker.run');
      held.open();
      const report = await run;
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(outcomes(report.items)).toEqual(['succeeded', 'succeeded']);
    });

    it('has succeeded when the last item was at work, and succeeds', async () => {
      const held = gate();
      const { registry, run } = await inTheMiddle({ list: [1, 2] }, () => held.opened);
      registry.cancel('Worker.run');
      held.open();
      expect(await run).toMatchObject({ outcome: 'succeeded' });
    });

    it('has been cancelled when the last item was, and ended by that', async () => {
      const { registry, run } = await inTheMiddle({ list: [1, 2] });
      registry.cancel('Worker.run');
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
    });

    it('has failed when an item has, even if later items succeed', async () => {
      const { registry, run } = await inTheMiddle({}, (tick) =>
        untilAborted(tick).catch(() => Promise.reject(new TypeError('no rollback'))),
      );
      registry.cancel('Worker.run');
      expect(await run).toMatchObject({ outcome: 'failed', error: { message: 'no rollback' } });
    });

    it('[XF6] is reported also when items failed before, which the log does not repeat', async () => {
      const { registry, run, finished, log } = await inTheMiddle({}, (tick) =>
        untilAborted(tick).catch(() => Promise.reject(new TypeError('no rollback'))),
      );
      registry.cancel('Worker.run');
      const report = await run;
      expect(report).toMatchObject({ outcome: 'failed', reason: 'cancel' });
      expect(finished).toEqual([...report.items!, report]);
      expect(log.of('error')).toEqual([expect.stringContaining('no rollback')]);
    });

    it('begins no item when the list was still asked for', async () => {
      const held = gate<number[]>();
      const asked = gate();
      const { registry, begun } = await forEachApp({
        list: () => {
          asked.open();
          return held.opened;
        },
      });
      const run = registry.run('Worker.run');
      await asked.opened;
      registry.cancel('Worker.run');
      held.open([1, 2]);
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'cancel', items: [] });
      expect(begun).toEqual([]);
    });

    it('[XF5] ends the wait between attempts of an item as well', async () => {
      const { registry, next, begun } = await forEachApp(
        { list: [1, 2], handler: { retry: { attempts: 2, backoffMs: 60_000 } } },
        () => Promise.reject(new Error('busy')),
      );
      const retrying = next('tick:retrying');
      const run = registry.run('Worker.run');
      await retrying;
      await turns();
      registry.cancel('Worker.run');
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(begun).toEqual([1]);
    });

    it('runs the whole list the next time', async () => {
      const { registry, run, begun } = await inTheMiddle();
      registry.cancel('Worker.run');
      await run;
      const again = registry.run('Worker.run');
      await turns();
      registry.cancel('Worker.run');
      expect(outcomes((await again).items)).toEqual(['succeeded', 'cancelled']);
      expect(begun).toEqual([1, 2, 1, 2]);
    });
  });

  describe('when the schedule is paused', () => {
    const options = { handler: { disabled: false } };

    it('lets the item at work go on, and no further item begins', async () => {
      const held = gate();
      const { registry, run, begun } = await inTheMiddle(options, ({ signal }) =>
        held.opened.then(() => signal.aborted),
      );
      registry.pause('Worker.run');
      held.open();
      const report = await run;
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'paused' });
      expect(report.items!.map(({ value }) => value)).toEqual([1, false]);
      expect(begun).toEqual([1, 2]);
    });

    it('goes on when it is resumed before the item at work has ended', async () => {
      const held = gate();
      const { registry, run, begun } = await inTheMiddle(options, () => held.opened);
      registry.pause('Worker.run');
      registry.resume('Worker.run');
      held.open();
      expect((await run).outcome).toBe('succeeded');
      expect(begun).toEqual([1, 2, 3, 4]);
    });

    it('goes on with as many items at once as before', async () => {
      const held = new Map([1, 2, 3, 4, 5, 6].map((item) => [item, gate()]));
      const { registry, begun } = await forEachApp(
        { list: [...held.keys()], handler: { disabled: false, maxConcurrency: 3 } },
        (item: number) => held.get(item)!.opened,
      );
      const run = registry.run('Worker.run');
      await turns();
      registry.pause('Worker.run');
      held.get(1)!.open();
      held.get(2)!.open();
      await turns();
      registry.resume('Worker.run');
      held.get(3)!.open();
      await turns();
      expect(begun).toEqual([1, 2, 3, 4, 5, 6]);
      for (const each of held.values()) each.open();
      expect((await run).outcome).toBe('succeeded');
    });

    it('ends by a pause from inside an item too', async () => {
      const { registry, begun } = await forEachApp(
        { list: [1, 2, 3], ...options },
        (item, { schedule }) => item === 2 && registry.pause(schedule),
      );
      expect(await registry.run('Worker.run')).toMatchObject({ outcome: 'cancelled' });
      expect(begun).toEqual([1, 2]);
    });

    it('stays ended when an item fails after that, with onFailure pause', async () => {
      const held = gate();
      const { registry, run, begun } = await inTheMiddle(
        { handler: { disabled: false, onFailure: 'pause' } },
        () => held.opened.then(() => Promise.reject(new Error('late'))),
      );
      registry.pause('Worker.run');
      held.open();
      expect((await run).outcome).toBe('failed');
      expect(begun).toEqual([1, 2]);
    });

    it.each<[string, HandlerOptions, (test: ForEachApp) => void]>([
      ['an item has paused it with onFailure', { onFailure: 'pause' }, () => undefined],
      ['the list was run by hand', {}, ({ registry }) => registry.pause('Worker.run')],
    ])('[XF5] begins no further item after another pause() when %s', async (_, handler, before) => {
      const held = gate();
      const test = await forEachApp(
        { list: [1, 2, 3, 4], handler: { disabled: false, ...handler } },
        (item: number) => (item === 1 ? Promise.reject(new Error('busy')) : held.opened),
      );
      before(test);
      const run = test.registry.run('Worker.run');
      await turns();
      expect(test.registry.get('Worker.run').state).toBe('paused');
      test.registry.pause('Worker.run');
      held.open();
      expect((await run).items).toHaveLength(2);
      expect(test.begun).toEqual([1, 2]);
    });

    it('leaves a list alone that is run by hand while it is paused', async () => {
      const { registry, begun } = await forEachApp({ list: [1, 2], ...options });
      registry.pause('Worker.run');
      expect((await registry.run('Worker.run')).outcome).toBe('succeeded');
      expect(begun).toEqual([1, 2]);
    });
  });

  describe('when the schedule is removed', () => {
    it('[XF5] runs the list to its end: it is one tick', async () => {
      const held = gate();
      const { registry, run, begun } = await inTheMiddle({}, () => held.opened);
      registry.remove('Worker.run');
      held.open();
      expect((await run).outcome).toBe('succeeded');
      expect(begun).toEqual([1, 2, 3, 4]);
    });
  });

  describe('when the application shuts down', () => {
    it('[D5] aborts the item at work, waits for it, and no further item begins', async () => {
      const { app, run, begun, next, log } = await inTheMiddle();
      const ended = next('shutdown:finished');
      await app.close();
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(begun).toEqual([1, 2]);
      expect((await ended).abandoned).toEqual([]);
      expect(log.of('error')).toEqual([]);
    });

    it('[D35] lets the item at work finish within drainTimeoutMs, and no further item begins', async () => {
      const held = gate();
      const { app, run, begun } = await inTheMiddle(
        { options: { drainTimeoutMs: 60_000 } },
        ({ signal }) => held.opened.then(() => signal.aborted),
      );
      const closed = closing({ app });
      await turns();
      expect(closed.done).toBe(false);
      held.open();
      await closed.promise;
      const report = await run;
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(report.items!.map(({ value }) => value)).toEqual([1, false]);
      expect(begun).toEqual([1, 2]);
    });

    it('[D6] names the list and the item that it abandons', async () => {
      const held = gate();
      const { app, run, next } = await inTheMiddle(
        { options: { shutdownTimeoutMs: 20 } },
        () => held.opened,
      );
      const ended = next('shutdown:finished');
      await app.close();
      expect((await ended).abandoned).toEqual([
        'Worker.run (forEach list)',
        expect.stringMatching(/^Worker\.run \(tick-/),
      ]);
      held.open();
      await run;
    });

    it('[D6] names the list alone while it is still requested', async () => {
      const asked = gate();
      const held = gate();
      const { app, registry, next } = await forEachApp({
        options: { shutdownTimeoutMs: 20 },
        inject: ['slow'],
        list: () => [1],
        providers: [
          {
            provide: 'slow',
            scope: Scope.REQUEST,
            useFactory: () => {
              asked.open();
              return held.opened;
            },
          },
        ],
      });
      const run = registry.run('Worker.run');
      await asked.opened;
      const [started, ended] = [next('shutdown:started'), next('shutdown:finished')];
      await app.close();
      expect((await started).waitingFor).toEqual(['Worker.run (forEach list)']);
      expect((await ended).abandoned).toEqual(['Worker.run (forEach list)']);
      held.open();
      await run;
    });

    it('[D11] is cancelled, not failed, when the list was still asked for', async () => {
      const asked = gate();
      const held = gate();
      const slow = async (): Promise<string> => {
        asked.open();
        await held.opened;
        return 'slow';
      };
      const { app, registry, begun, log, finished } = await forEachApp({
        inject: ['slow', 'late'],
        list: () => [1],
        providers: [
          { provide: 'slow', scope: Scope.REQUEST, useFactory: slow },
          { provide: 'late', scope: Scope.REQUEST, useFactory: () => 'late' },
        ],
      });
      const run = registry.run('Worker.run');
      await asked.opened;
      const closed = closing({ app });
      await turns();
      held.open();
      await closed.promise;
      expect(await run).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(begun).toEqual([]);
      expect(finished).toHaveLength(1);
      expect(log.of('error')).toEqual([]);
    });

    it.each<[string, (tick: { signal?: AbortSignal }) => Promise<never>]>([
      ['fails by itself', () => Promise.reject(new TypeError('no list'))],
      [
        'rejects with its own AbortError',
        () => Promise.reject(new DOMException('x', 'AbortError')),
      ],
    ])('[D12] has failed when the list %s without a shutdown', async (_, list) => {
      const { registry } = await forEachApp({ list: list as never });
      expect((await registry.run('Worker.run')).outcome).toBe('failed');
    });
  });

  it('[D12] is cancelled when its list is refused by a shutdown that has abandoned it, even if it was cancelled before', async () => {
    const [begun, held] = [gate(), gate()];
    const slow = async (): Promise<number> => {
      begun.open();
      await held.opened;
      return 1;
    };
    const provided = (provide: string, useFactory: () => unknown) => ({
      provide,
      scope: Scope.REQUEST,
      useFactory,
    });
    const options = { forEach: { inject: ['SLOW', 'LATE'], useFactory: () => [1] } };
    const { app, registry } = await startApp({
      options: { shutdownTimeoutMs: 20 },
      providers: [
        worker([], () => undefined, options),
        provided('SLOW', slow),
        provided('LATE', () => ({})),
      ],
    });
    const report = registry.run('Worker.run');
    await begun.opened;
    registry.cancel('Worker.run');
    await app.close();
    held.open();
    expect(await report).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
  });

  describe('when the application is closed from inside', () => {
    it('[D28] an item does not wait for itself, nor for its list', async () => {
      let app: TestingModule | undefined;
      const test = await forEachApp({ list: [1, 2, 3] }, async (item: number) => {
        if (item === 2) await app!.close();
        return item;
      });
      ({ app } = test);
      const ended = test.next('shutdown:finished');
      const report = await test.registry.run('Worker.run');
      expect(outcomes(report.items)).toEqual(['succeeded', 'succeeded']);
      expect(report).toMatchObject({ outcome: 'cancelled', reason: 'shutdown' });
      expect(test.begun).toEqual([1, 2]);
      expect((await ended).abandoned).toEqual([]);
    });

    it('[D28] it waits for the other items at work', async () => {
      let app: TestingModule | undefined;
      const held = gate();
      const order: string[] = [];
      const test = await forEachApp(
        { list: ['other', 'closer'], handler: { maxConcurrency: 2 } },
        async (item: string) => {
          if (item === 'closer') await app!.close();
          else await held.opened;
          order.push(item);
        },
      );
      ({ app } = test);
      const run = test.registry.run('Worker.run');
      await turns();
      expect(order).toEqual([]);
      held.open();
      await run;
      expect(order).toEqual(['other', 'closer']);
    });

    it('[D28] what asks for the list does not wait for itself', async () => {
      let app: TestingModule | undefined;
      const test = await forEachApp({
        list: async () => {
          await app!.close();
          return [1, 2];
        },
      });
      ({ app } = test);
      const ended = test.next('shutdown:finished');
      expect(await test.registry.run('Worker.run')).toMatchObject({
        outcome: 'cancelled',
        reason: 'shutdown',
      });
      expect(test.begun).toEqual([]);
      expect((await ended).abandoned).toEqual([]);
    });
  });

  describe('when a schedule runs it', () => {
    beforeEach(() => useFakeClock());
    afterEach(() => void jest.useRealTimers());

    it('[XF5] does not catch up the rest of the list after a pause', async () => {
      const seen: string[] = [];
      const held = gate();
      @ScopedWorker()
      class Tenants {
        @ScopedInterval(1_000, { forEach: { useFactory: () => ['a', 'b'] } })
        async sync({ payload, scheduledAt }: Tick): Promise<void> {
          seen.push(`${String(payload)} ${scheduledAt.toISOString().slice(17, 19)}`);
          if (seen.length === 1) await held.opened;
        }
      }
      const test = await startApp({ providers: [Tenants] });
      const { skipped } = heard(test);
      await advance(2_000);
      test.registry.pause('Tenants.sync');
      expect(skipped).toEqual(['Tenants.sync paused']); // what waited behind the list
      held.open();
      await advance(500);
      test.registry.resume('Tenants.sync');
      await advance(500);
      expect(seen).toEqual(['a 01', 'a 03', 'b 03']);
    });
  });
});
