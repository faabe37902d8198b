import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  InvalidOptionsError,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerRegistry,
  UnknownScheduleError,
} from '../../lib/index.js';
import { appsOnFakeClock, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { twoSchedules } from '../support/two-schedules.js';

appsOnFakeClock();

describe('registry', () => {
  describe('when a schedule is paused', () => {
    it('fires it no more until it is resumed, on its old grid; others go on', async () => {
      const { registry, ran, ownRuns, changes } = await twoSchedules();
      await advance(1_000);
      registry.pause('report');
      expect(registry.get('report')).toMatchObject({ state: 'paused', nextRun: undefined });
      await advance(2_500);
      expect(ownRuns()).toHaveLength(1);
      expect(ran.filter((entry) => entry === 'other')).toHaveLength(3);
      registry.resume('report');
      expect(registry.get('report')).toMatchObject({
        state: 'active',
        nextRun: new Date(afterNoon(4_000)),
      });
      await advance(500);
      expect(ownRuns()).toEqual([`interval ${afterNoon(1_000)}`, `interval ${afterNoon(4_000)}`]);
      expect(changes).toEqual([
        { schedule: 'report', change: 'paused' },
        { schedule: 'report', change: 'resumed' },
      ]);
    });

    it('[A21] says of each slot that it is skipped, and builds nothing', async () => {
      const { registry, events } = await twoSchedules();
      const skipped: unknown[] = [];
      events.on('tick:skipped', ({ schedule, reason, scheduledAt }) =>
        skipped.push([schedule, reason, scheduledAt.toISOString()]),
      );
      registry.pause('report');
      registry.pause('Second.other');
      await advance(2_000);
      expect(skipped.slice(-2)).toEqual(
        expect.arrayContaining([['report', 'paused', afterNoon(2_000)]]),
      );
      expect(skipped).toHaveLength(4);
      expect(registry.stats().openedScopes).toBe(0);
    });

    it('lets the tick that runs go on', async () => {
      const held = gate();
      const { registry, next } = await twoSchedules(({ signal }) =>
        held.opened.then(() => signal.aborted),
      );
      const finished = next('tick:finished');
      registry.pause('Second.other');
      await advance(1_000);
      registry.pause('report');
      held.open();
      expect(await finished).toMatchObject({ outcome: 'succeeded', value: false });
    });

    it.each(['onModuleInit', 'onApplicationBootstrap'])(
      'stays paused, with no next run, though that was during start-up: in %s',
      async (hook) => {
        const ran: string[] = [];
        @ScopedWorker()
        class Second {
          @ScopedInterval(1_000, { runOnStart: true })
          run(): void {
            ran.push(new Date().toISOString());
          }
        }
        @Injectable()
        class Pauser {
          constructor(private readonly registry: ScopedWorkerRegistry) {}

          onModuleInit(): void {
            if (hook === 'onModuleInit') this.registry.pause('Second.run');
          }

          onApplicationBootstrap(): void {
            if (hook === 'onApplicationBootstrap') this.registry.pause('Second.run');
          }
        }
        const { registry } = await startApp({ providers: [Second, Pauser] });
        await advance(2_500);
        expect(ran).toEqual([]);
        expect(registry.get('Second.run')).toMatchObject({ state: 'paused', nextRun: undefined });
        registry.resume('Second.run');
        expect(registry.get('Second.run').nextRun).toEqual(new Date(afterNoon(3_000)));
        await advance(500);
        expect(ran).toEqual([afterNoon(3_000)]);
      },
    );

    it('says nothing when it is paused or resumed twice', async () => {
      const { registry, changes } = await twoSchedules();
      registry.resume('report');
      registry.pause('report');
      registry.pause('report');
      registry.resume('report');
      registry.resume('report');
      expect(changes).toHaveLength(2);
    });

    it('still runs it by hand', async () => {
      const { registry } = await twoSchedules();
      registry.pause('report');
      expect((await registry.run('report')).outcome).toBe('succeeded');
      expect(registry.get('report').state).toBe('paused');
    });
  });

  describe('when ticks are cancelled', () => {
    it('aborts those of the schedule, says how many, and the schedule goes on', async () => {
      const { registry, next, ownRuns } = await twoSchedules(
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      );
      registry.pause('Second.other');
      await advance(1_000);
      const finished = next('tick:finished');
      expect(registry.cancel('report')).toBe(1);
      expect(registry.cancel('report')).toBe(0); // its signal is aborted already
      expect(await finished).toMatchObject({ outcome: 'cancelled', reason: 'cancel' });
      expect(registry.cancel('report')).toBe(0);
      await advance(1_000);
      expect(ownRuns()).toHaveLength(2);
      registry.cancel('report');
    });
  });

  describe('when a schedule is run by hand', () => {
    it('passes the payload to the handler, and the report to the caller', async () => {
      const { registry } = await twoSchedules(({ payload, trigger }) => ({ payload, trigger }));
      expect(await registry.run('report', { payload: { id: 7 } })).toMatchObject({
        schedule: 'report',
        trigger: 'manual',
        outcome: 'succeeded',
        value: { payload: { id: 7 }, trigger: 'manual' },
      });
    });

    it('does not reject when the tick fails', async () => {
      const error = new Error('no paper');
      const { registry } = await twoSchedules(() => Promise.reject(error));
      const report = await registry.run('report');
      expect(report.outcome).toBe('failed');
      expect(report.error).toBe(error);
    });

    it('does not move the grid', async () => {
      const { registry, ownRuns } = await twoSchedules();
      await advance(500);
      await registry.run('report');
      await advance(500);
      expect(ownRuns()).toEqual([`manual ${afterNoon(500)}`, `interval ${afterNoon(1_000)}`]);
    });

    it.each<[string, unknown, string]>([
      ['an unknown option', { tenant: 7 }, "tenant isn't an option; the only option is payload."],
      ['null', null, 'options must be an object such as { payload }, not null.'],
      ['a text', 'acme', 'options must be an object such as { payload }, not "acme".'],
      ['an array', [7], 'options must be an object such as { payload }, not an array.'],
    ])('[C13] refuses %s in one sentence, and runs nothing', async (_, options, text) => {
      const { registry, ran } = await twoSchedules();
      const refused = registry.run('report', options as object);
      await expect(refused).rejects.toBeInstanceOf(InvalidOptionsError);
      await expect(refused).rejects.toThrow(`registry.run(): ${text}`);
      expect(ran).toEqual([]);
    });

    it('[C13] accepts options without a value', async () => {
      const { registry } = await twoSchedules();
      for (const options of [undefined, {}, { payload: undefined }, { tenant: undefined }])
        expect((await registry.run('report', options)).outcome).toBe('succeeded');
    });
  });

  it.each(['run', 'get', 'pause', 'resume', 'cancel'] as const)(
    'refuses an unknown name: %s',
    async (method) => {
      const { registry } = await twoSchedules();
      const call = async (name: string): Promise<unknown> => registry[method](name);
      const refused = call('reprot');
      await expect(refused).rejects.toBeInstanceOf(UnknownScheduleError);
      await expect(refused).rejects.toMatchObject({
        code: 'UNKNOWN_SCHEDULE',
        message: expect.stringContaining('reprot'),
      });
      await expect(call('report')).resolves.not.toThrow();
    },
  );

  it('runs nothing by hand once the application has stopped', async () => {
    @ScopedWorker()
    class Once {
      @ScopedTimeout(1_000)
      run(): void {}
    }
    const { app, registry } = await startApp({ providers: [Once] });
    expect((await registry.run('Once.run')).outcome).toBe('succeeded');
    await app.close();
    expect(await registry.run('Once.run')).toMatchObject({
      outcome: 'skipped',
      reason: 'stopping',
    });
  });
});
