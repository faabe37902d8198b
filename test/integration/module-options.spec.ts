import { jest, afterEach, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  InvalidOptionsError,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerModule,
  inProcessEngine,
  type ScopedWorkerModuleOptions,
  type LeakDetectionOptions,
} from '../../lib/index.js';
import { closeApps, startApp, compileApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';
import { YEARLY } from '../support/probes.js';
import { RecordingLogger } from '../support/app.js';
import { refusal } from '../support/refusal.js';

@ScopedWorker()
class Job {
  @ScopedCron(YEARLY)
  run(): void {}

  @ScopedInterval(86_400_000)
  poll(): void {}
}

/** Only fields are own properties of an instance. */
class WithGetter {
  get timeoutMs(): number {
    return 1_000;
  }
}

const options = (bad: object): ScopedWorkerModuleOptions => bad;

describe('The options of the module', () => {
  afterEach(async () => {
    await closeApps();
    jest.useRealTimers();
  });

  describe('when one of them cannot work', () => {
    it.each<[string, object, string, object]>([
      ['a negative drain', { drainTimeoutMs: -1 }, 'drainTimeoutMs', { drainTimeoutMs: 0 }],
      ['a negative shutdown', { shutdownTimeoutMs: -1 }, 'from 0', { shutdownTimeoutMs: 0 }],
      [
        'an endless shutdown',
        { shutdownTimeoutMs: Infinity },
        'Infinity',
        { shutdownTimeoutMs: 1 },
      ],
      [
        'a negative disposal',
        { disposeTimeoutMs: -1 },
        'disposeTimeoutMs',
        { disposeTimeoutMs: 9 },
      ],
      ['a timeout that is text', { drainTimeoutMs: '5' }, 'not "5"', { drainTimeoutMs: 5 }],
      [
        'an unknown key',
        { shutdownTimeout: 5 },
        "shutdownTimeout isn't an option; use shutdownTimeoutMs instead",
        { shutdownTimeout: undefined, leakDetection: { grace: undefined } },
      ],
      [
        'an unknown strictness',
        { scopeValidation: 'loud' },
        "'strict', 'error', 'warn', 'off'",
        { scopeValidation: 'off' },
      ],
      [
        'an unknown resolution',
        { resolution: 'plan' },
        "resolution must be one of 'compiled', 'nest'",
        { resolution: 'nest' },
      ],
      ['an onOpen that is not a function', { onOpen: {} }, 'onOpen', { onOpen: () => undefined }],
      [
        'an onOpen that is a generator',
        { onOpen: function* () {} },
        'onOpen',
        { onOpen: () => undefined },
      ],
      [
        'an object other than an engine',
        { engine: {} },
        'inProcessEngine()',
        { engine: inProcessEngine() },
      ],
      ['defaults that are null', { defaults: null }, 'defaults', { defaults: {} }],
      ['a default name', { defaults: { name: 'a' } }, 'name', { defaults: { disabled: true } }],
      [
        'a bad default',
        { defaults: { timeoutMs: -1 } },
        'defaults timeoutMs',
        { defaults: { timeoutMs: 1 } },
      ],
      [
        'an unknown default',
        { defaults: { cron: '@daily' } },
        '"cron"',
        { defaults: { timeZone: 'UTC' } },
      ],
      [
        'a default zone together with an offset',
        { defaults: { timeZone: 'UTC', utcOffset: 0 } },
        'keep one of them',
        { defaults: { utcOffset: 60 } },
      ],
      ['overrides that are text', { overrides: 'Job.run' }, 'by schedule name', { overrides: {} }],
      [
        'a getter in defaults',
        { defaults: new WithGetter() },
        'defaults timeoutMs is inherited',
        { defaults: { timeoutMs: 1_000 } },
      ],
      [
        'a getter in leakDetection',
        { leakDetection: Object.create({ sample: 1 }) as object },
        'leakDetection.sample is inherited',
        { leakDetection: { sample: 1 } },
      ],
      [
        'a getter in memory',
        { memory: Object.create({ warnAtMb: 100_000 }) as object },
        'memory.warnAtMb is inherited',
        { memory: { warnAtMb: 100_000 } },
      ],
      [
        'a getter in retry',
        { defaults: { retry: Object.create({ attempts: 2 }) as object } },
        'attempts is inherited',
        { defaults: { retry: { attempts: 2 } } },
      ],
    ])('[C13] refuses %s, and starts its neighbor', async (_what, bad, says, good) => {
      const error = await refusal({ providers: [Job], options: options(bad) });
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect((error as InvalidOptionsError).problems).toEqual([expect.stringContaining(says)]);
      await startApp({ providers: [Job], options: options(good) });
    });

    it.each([
      ['forRoot', (value: object) => ScopedWorkerModule.forRoot(value)],
      [
        'forRootAsync',
        (value: object) => ScopedWorkerModule.forRootAsync({ useFactory: () => value }),
      ],
    ])('[C13] refuses a method of a class from %s(), and accepts a field', async (_, imported) => {
      class WithMethod {
        onOpen(): void {}
      }
      class WithField {
        onOpen = (): void => undefined;
        create(): void {}
      }
      const start = async (value: object): Promise<void> => {
        const imports = [imported(value)];
        const builder = Test.createTestingModule({ imports, providers: [Job] });
        const module = await builder.setLogger(new RecordingLogger()).compile();
        try {
          await module.init();
        } finally {
          await module.close();
        }
      };
      await expect(start(new WithMethod())).rejects.toThrow(
        "ScopedWorkerModule: onOpen is inherited, for example as a getter or method of a class, so it would have no effect. Make it the object's own property, such as a field of the class.",
      );
      await expect(start(new WithField())).resolves.toBeUndefined();
    });

    it.each<[string, object, string, object]>([
      ['an override of nobody', { 'Job.walk': {} }, 'these names: Job.', { 'Job.run': {} }],
      [
        'a number',
        { 'Job.run': 5 },
        'overrides["Job.run"] must be an options object, not 5.',
        { 'Job.run': { disabled: true } },
      ],
      ['null', { 'Job.run': null }, 'an options object', { 'Job.run': undefined }],
      [
        'a bad cron',
        { 'Job.run': { cron: '61 * * * *' } },
        'Job.run: overrides["Job.run"].cron cannot be read: "61 * * * *"',
        { 'Job.run': { cron: '-' } },
      ],
      [
        'a period for a cron',
        { 'Job.run': { everyMs: 5 } },
        'Use cron',
        { 'Job.poll': { everyMs: 5 } },
      ],
      [
        'a cron for a period',
        { 'Job.poll': { cron: '-' } },
        'Use everyMs',
        { 'Job.run': { cron: '-' } },
      ],
      [
        'a period of 0',
        { 'Job.poll': { everyMs: 0 } },
        'Job.poll: overrides["Job.poll"].everyMs must be a number of milliseconds from 1',
        { 'Job.poll': { everyMs: 1 } },
      ],
      ['a new name', { 'Job.run': { name: 'x' } }, 'name', { 'Job.run': { onFailure: 'pause' } }],
      ['a key of every object', { constructor: {} }, '"constructor"', { 'Job.run': {} }],
    ])('[C13] refuses %s in overrides, and starts its neighbor', async (_, bad, says, good) => {
      const error = await refusal({ providers: [Job], options: options({ overrides: bad }) });
      expect(error.message).toContain(says);
      await startApp({ providers: [Job], options: options({ overrides: good }) });
    });

    it('[C13] a typo in an override names the schedules of its worker, beside another class of its name', async () => {
      const named = (): Type => {
        @ScopedWorker()
        class Named {
          @ScopedCron(YEARLY)
          run(): void {}
        }
        return Named;
      };
      named(); // provided by no module
      const error = await refusal({
        providers: [named()],
        options: options({ overrides: { 'Named.rum': {} } }),
      });
      expect(error.message).toContain(
        'no schedule has this name. Use one of these names: Named.run',
      );
    });

    it('[C8] one error names all that is wrong', async () => {
      const bad = {
        drainTimeoutMs: -1,
        shutdownTimeoutMs: -2,
        color: 'red',
        scopeValidation: 'x',
      };
      const error = await refusal({ providers: [Job], options: options(bad) });
      expect((error as InvalidOptionsError).problems).toHaveLength(4);
    });
  });

  describe('when a default is meant for intervals only', () => {
    it('[C13] it does not make a timeout fire again', async () => {
      useFakeClock();
      let calls = 0;
      @ScopedWorker()
      class Once {
        @ScopedTimeout(1_000)
        run(): void {
          calls += 1;
        }
      }
      await startApp({ providers: [Once], options: { defaults: { fixedDelay: true } } });
      await advance(1_500);
      expect(calls).toBe(1);
    });
  });
});

describe('The option leakDetection', () => {
  afterEach(closeApps);

  const starting = async (leakDetection: unknown): Promise<unknown> => {
    const { app } = await compileApp({
      options: { leakDetection: leakDetection as LeakDetectionOptions },
    });
    return app.init();
  };

  it.each([
    [true, 'leakDetection must be an object such as { sample: 1 }, not true.'],
    [[], 'leakDetection must be an object such as { sample: 1 }, not an array.'],
    [{ sample: 0 }, 'leakDetection.sample must be a number greater than 0 and at most 1, not 0.'],
    [{ sample: 2 }, 'leakDetection.sample must be a number greater than 0 and at most 1, not 2.'],
    [
      { sample: NaN },
      'leakDetection.sample must be a number greater than 0 and at most 1, not NaN.',
    ],
    [
      { graceMs: -1 },
      'leakDetection.graceMs must be a number of milliseconds from 0 to 2147483647 (24.8 days), not -1.',
    ],
    [{ strict: 'yes' }, 'leakDetection.strict must be true or false, not "yes".'],
    [{ grace: 1 }, "leakDetection.grace isn't an option; use graceMs instead."],
  ])('is refused as %j', async (leakDetection, problem) => {
    await expect(starting(leakDetection)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: [`ScopedWorkerModule: ${problem}`],
    });
  });

  it.each([[undefined], [{}], [{ sample: 0.01, graceMs: 0, strict: true }], [{ sample: 1 }]])(
    'is accepted as %j',
    async (leakDetection) => {
      await expect(starting(leakDetection)).resolves.toBeDefined();
    },
  );
});
