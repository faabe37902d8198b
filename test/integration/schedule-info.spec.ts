import { describe, expect, it } from '@jest/globals';
import type { Engine, TickReport } from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { worker } from '../support/probes.js';
import { quietEngine } from '../support/quiet-engine.js';

appsOnFakeClock();

describe('registry', () => {
  it('[XI1] has() says whether a schedule has the name', async () => {
    const { registry } = await startApp({ providers: [worker([])] });
    expect([registry.has('Worker.run'), registry.has('Worker.walk')]).toEqual([true, false]);
    registry.add({ name: 'row', handler: 'Worker.run', everyMs: 60_000 });
    expect(registry.has('row')).toBe(true);
    registry.remove('row');
    expect(registry.has('row')).toBe(false);
  });

  describe('nextRun', () => {
    it('is undefined if the engine fails to say it, which ends neither start-up nor add()', async () => {
      const engine = quietEngine(() => undefined);
      const failing: Engine = {
        ...engine,
        add: () => undefined,
        nextRun: () => {
          throw new Error('the store is gone');
        },
      };
      const { registry, events } = await startApp({
        options: { engine: failing },
        providers: [worker([], () => undefined, { disabled: false })],
      });
      const failed: unknown[] = [];
      events.on('failure:stray', (failure) => failed.push(failure));
      expect(registry.get('Worker.run').nextRun).toBeUndefined();
      const added = registry.add({ name: 'row', handler: 'Worker.run', everyMs: 60_000 });
      expect(added.nextRun).toBeUndefined();
      const error = new Error('the store is gone');
      expect(failed).toEqual([
        { where: 'engine', schedule: 'Worker.run', tickId: undefined, error },
        { where: 'engine', schedule: 'row', tickId: undefined, error },
      ]);
    });
  });

  describe('runningSince', () => {
    it('[XI1] is when the oldest tick that runs was fired', async () => {
      const gates = [gate(), gate()];
      const { registry } = await startApp({
        providers: [worker([], ({ payload }) => gates[payload as number]!.opened)],
      });
      const since = () => registry.get('Worker.run').runningSince;
      expect(since()).toBeUndefined();
      await advance(1_000);
      const first = registry.run('Worker.run', { payload: 0 });
      await advance(1_000);
      const second = registry.run('Worker.run', { payload: 1 });
      await advance(1_000);
      expect(registry.get('Worker.run').running).toBe(2);
      expect(since()).toEqual(new Date(afterNoon(1_000)));
      gates[0]!.open();
      await first;
      expect(since()).toEqual(new Date(afterNoon(2_000)));
      gates[1]!.open();
      await second;
      expect(since()).toBeUndefined();
    });

    it('[XI1] is not moved by a retry', async () => {
      const held = gate();
      const { registry } = await startApp({
        providers: [
          worker(
            [],
            ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('down')) : held.opened),
            { retry: { attempts: 2, backoffMs: 500 } },
          ),
        ],
      });
      await advance(1_000);
      const run = registry.run('Worker.run');
      await advance(2_000);
      expect(registry.get('Worker.run')).toMatchObject({
        running: 1,
        runningSince: new Date(afterNoon(1_000)),
      });
      held.open();
      await run;
    });

    it('[XI1] of a forEach is when the list was begun, also while the list is asked for', async () => {
      const list = gate();
      const forEach = { useFactory: () => list.opened.then(() => ['a']) };
      const { registry } = await startApp({
        providers: [worker([], () => undefined, { forEach })],
      });
      await advance(1_000);
      const run = registry.run('Worker.run');
      await advance(1_000);
      expect(registry.get('Worker.run')).toMatchObject({
        running: 0,
        runningSince: new Date(afterNoon(1_000)),
      });
      list.open();
      await run;
      expect(registry.get('Worker.run').runningSince).toBeUndefined();
    });
  });

  describe('handler', () => {
    const names = async (run: (test: Awaited<ReturnType<typeof startApp>>) => Promise<unknown>) => {
      const test = await startApp({ providers: [worker([])] });
      const reports: TickReport[] = [];
      test.events.on('tick:finished', (report) => reports.push(report));
      await run(test);
      return reports.map(({ handler }) => handler);
    };

    it('[XI1] of a report is Class.method, also under another name', async () => {
      const handlers = await names(async ({ registry }) => {
        registry.add({ name: 'row', handler: 'Worker.run', everyMs: 60_000 });
        await registry.run('row');
        expect(registry.get('row').lastReport?.handler).toBe('Worker.run');
      });
      expect(handlers).toEqual(['Worker.run']);
    });

    it('[XI1] of a function is its name, and not the name of the option that it is written in', async () => {
      async function sendMails(): Promise<void> {}
      const handlers = await names(async ({ registry }) => {
        registry.add({ name: 'mails', handler: sendMails, everyMs: 60_000 });
        registry.add({ name: 'inline', handler: () => undefined, everyMs: 60_000 });
        await registry.run('mails');
        await registry.run('inline');
        expect(registry.list().map(({ handler }) => handler)).toEqual([
          'Worker.run',
          'sendMails',
          'function',
        ]);
      });
      expect(handlers).toEqual(['sendMails', 'function']);
    });

    it('[A21] of a skipped tick is reported as well', async () => {
      const test = await startApp({ providers: [worker([])] });
      const skipped = test.next('tick:skipped');
      await test.app.close();
      await test.registry.run('Worker.run');
      expect((await skipped).handler).toBe('Worker.run');
    });
  });
});
