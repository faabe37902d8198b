import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Scope,
  UseGuards,
  type CanActivate,
  type Provider,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import {
  currentTick,
  DuplicateScheduleError,
  InjectTick,
  ScopedCron,
  ScopedWorker,
  type Tick,
} from '../../lib/index.js';
import { adoptingApp, skipWarning, warningsOf } from '../support/adoption.js';
import { appsOnFakeClock, compileApp, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';
import { Probe, ProbeJournal, PROBES, YEARLY } from '../support/probes.js';

const ran: string[] = [];

appsOnFakeClock();
beforeEach(() => void (ran.length = 0));

describe('adoptNestSchedules', () => {
  /** Nest skips it: it depends on a request-scoped provider. */
  @Injectable()
  class Report {
    constructor(private readonly probe: Probe) {}

    @Cron('*/20 * * * * *')
    cron(): void {
      ran.push(`cron ${this.probe.id}`);
    }

    @Interval(25_000)
    interval(): void {
      ran.push(`interval ${this.probe.id}`);
    }

    @Timeout('once', 45_000)
    timeout(): void {
      ran.push(`timeout ${this.probe.id}`);
    }
  }

  /** Nest runs it. */
  @Injectable()
  class Singleton {
    @Cron('*/20 * * * * *')
    cron(): void {
      ran.push('static cron');
    }

    @Interval(25_000)
    interval(): void {
      ran.push('static interval');
    }

    @Timeout(45_000)
    timeout(): void {
      ran.push('static timeout');
    }
  }

  describe('when Nest skips a class', () => {
    it.each([
      ['beside ScheduleModule', [ScheduleModule.forRoot()]],
      ['without ScheduleModule', []],
    ])(
      '[XC1] runs its @Cron, @Interval and @Timeout %s, each tick in its own scope',
      async (_where, imports) => {
        const { app, registry } = await startApp({
          imports,
          providers: [...PROBES, Report],
          options: { adoptNestSchedules: true },
        });
        await advance(50_000);
        expect(ran).toEqual(['cron 1', 'interval 2', 'cron 3', 'timeout 4', 'interval 5']);
        expect(app.get(ProbeJournal).disposed).toHaveLength(5);
        expect(registry.stats()).toMatchObject({ openScopes: 0, closedScopes: 5 });
      },
    );

    it('[XC1] lists them as Class.method, or under the name in their options', async () => {
      const { registry } = await adoptingApp({ providers: [...PROBES, Report] });
      expect(
        registry
          .list()
          .map(({ name, handler, kind, nextRun }) => [name, handler, kind, nextRun?.toISOString()]),
      ).toEqual([
        ['Report.cron', 'Report.cron', 'cron', afterNoon(20_000)],
        ['Report.interval', 'Report.interval', 'interval', afterNoon(25_000)],
        ['once', 'Report.timeout', 'timeout', afterNoon(45_000)],
      ]);
    });

    it('[XC1] runs a controller with a request-scoped dependency', async () => {
      @Controller('reports')
      class ReportController {
        constructor(private readonly probe: Probe) {}

        @Cron('0 * * * * *')
        run(): void {
          ran.push(`controller ${this.probe.id}`);
        }
      }
      await adoptingApp({ providers: PROBES, controllers: [ReportController] });
      await advance(120_000);
      expect(ran).toEqual(['controller 1', 'controller 2']);
    });

    it('[XC1] runs a controller that a request-scoped guard keeps from being a singleton, without the guard', async () => {
      @Injectable()
      class DenyAll implements CanActivate {
        constructor(@Inject(REQUEST) readonly request: unknown) {}

        canActivate(): boolean {
          ran.push('guard');
          return false;
        }
      }
      @Controller('reports')
      @UseGuards(DenyAll)
      class GuardedController {
        @Cron('0 * * * * *')
        run(): void {
          ran.push('controller');
        }
      }
      const { log } = await adoptingApp({ controllers: [GuardedController] });
      await advance(60_000);
      expect(warningsOf(log)).toContain(skipWarning('cron job', 'GuardedController@run'));
      expect(ran).toEqual(['controller']);
    });

    it('[XC1] leaves Nest its warning: it cannot know', async () => {
      const { log } = await adoptingApp({ providers: [...PROBES, Report] });
      expect(warningsOf(log)).toEqual([
        skipWarning('cron job', 'Report@cron'),
        skipWarning('interval', 'Report@interval'),
        skipWarning('timeout', 'Report@timeout'),
      ]);
      expect(log.of('log')).toContainEqual(
        expect.stringContaining('Report.cron (2026-01-15T12:00'),
      );
    });
  });

  describe('when a factory makes the class for each request', () => {
    const factory: Provider = {
      provide: Report,
      scope: Scope.REQUEST,
      inject: [Probe],
      useFactory: async (probe: Probe) => new Report(probe),
    };

    it('[XC1] runs its jobs, which Nest passes over without a word', async () => {
      const { app, log } = await adoptingApp({ providers: [...PROBES, factory] });
      await advance(45_000);
      expect(warningsOf(log)).toEqual([]);
      expect(ran).toEqual(['cron 1', 'interval 2', 'cron 3', 'timeout 4']);
      expect(app.get(ProbeJournal).alive).toEqual([]);
    });

    it('[XC1] runs them also when the factory is request-scoped through a dependency', async () => {
      const { scope: _, ...bubbling } = factory as Exclude<Provider, Function> & { scope: Scope };
      const { registry } = await adoptingApp({ providers: [...PROBES, bubbling] });
      await advance(20_000);
      expect(ran).toEqual(['cron 1']);
      expect(registry.list()).toHaveLength(3);
    });

    it('[XC3] leaves a factory that makes a singleton to Nest', async () => {
      const singleton = { provide: Singleton, useFactory: () => new Singleton() };
      const { registry } = await adoptingApp({ providers: [singleton] });
      await advance(45_000);
      expect(ran.sort()).toEqual([
        'static cron',
        'static cron',
        'static interval',
        'static timeout',
      ]);
      expect(registry.list()).toEqual([]);
    });

    it('[XC3] ignores what is behind a token other than a class', async () => {
      const { registry } = await adoptingApp({
        providers: [...PROBES, { ...(factory as object), provide: 'REPORT' } as Provider],
      });
      await advance(60_000);
      expect([ran, registry.list()]).toEqual([[], []]);
    });
  });

  describe('when Nest runs a class', () => {
    it('[XC3, D24] leaves it to Nest, and runs nothing twice', async () => {
      const { registry } = await adoptingApp({ providers: [...PROBES, Report, Singleton] });
      await advance(45_000);
      const count = (name: string): number => ran.filter((line) => line.startsWith(name)).length;
      expect(['static cron', 'static interval', 'static timeout'].map(count)).toEqual([2, 1, 1]);
      expect(['cron', 'interval', 'timeout'].map(count)).toEqual([2, 1, 1]);
      expect(registry.list().map(({ handler }) => handler)).toEqual([
        'Report.cron',
        'Report.interval',
        'Report.timeout',
      ]);
    });

    it('[XC3] runs nothing of it without ScheduleModule, as Nest does', async () => {
      const { registry } = await startApp({
        providers: [Singleton],
        options: { adoptNestSchedules: true },
      });
      await advance(60_000);
      expect([ran, registry.list()]).toEqual([[], []]);
    });
  });

  describe('the call', () => {
    @Injectable()
    class Caller {
      constructor(
        readonly probe: Probe,
        @InjectTick() private readonly tick: Tick,
      ) {}

      @Cron('0 * * * * *')
      run(...given: unknown[]): void {
        const tick = currentTick();
        ran.push(`${given.length} ${tick === this.tick} ${tick?.schedule} ${tick?.trigger}`);
      }
    }

    it('[XC1] has no arguments, as with Nest; the tick can be injected', async () => {
      await adoptingApp({ providers: [...PROBES, Caller] });
      await advance(60_000);
      expect(ran).toEqual(['0 true Caller.run cron']);
    });

    it('[XC1, B33] may fail: the error is logged, its scope disposed, and the schedule lives', async () => {
      @Injectable()
      class Failing {
        constructor(readonly probe: Probe) {}

        @Cron('0 * * * * *')
        async run(): Promise<void> {
          ran.push('run');
          throw new Error('no ink');
        }
      }
      const { app, log, registry } = await adoptingApp({ providers: [...PROBES, Failing] });
      await advance(180_000);
      expect(ran).toHaveLength(3);
      expect(log.of('error').join()).toMatch(/Failing\.run.*no ink/);
      expect(app.get(ProbeJournal).disposed).toHaveLength(3);
      expect(registry.get('Failing.run').lastReport).toMatchObject({ outcome: 'failed' });
    });
  });

  describe('when a worker has a left-over @Cron', () => {
    @ScopedWorker({ timeoutMs: 5_000 })
    class Migrated {
      constructor(private readonly probe: Probe) {}

      @ScopedCron('0 * * * * *')
      ours(): void {
        ran.push(`ours ${this.probe.id}`);
      }

      @Cron('30 * * * * *', { name: 'left over' })
      theirs(): void {
        ran.push(`theirs ${this.probe.id}`);
      }
    }

    it('[XC1] runs both', async () => {
      const { registry } = await adoptingApp({ providers: [...PROBES, Migrated] });
      await advance(120_000);
      expect(ran).toEqual(['theirs 1', 'ours 2', 'theirs 3', 'ours 4']);
      expect(registry.list().map(({ name }) => name)).toEqual(['Migrated.ours', 'left over']);
    });
  });

  describe('in the SchedulerRegistry of Nest', () => {
    it('[XF2] has the crons that it adopted', async () => {
      const { app, registry } = await adoptingApp({ providers: [...PROBES, Report] });
      const jobs = app.get(SchedulerRegistry, { strict: false });
      expect([...jobs.getCronJobs().keys()]).toEqual(['Report.cron']);
      void jobs.getCronJob('Report.cron').stop();
      expect(registry.get('Report.cron').state).toBe('paused');
    });

    it('[XC10] refuses a cron that has the name of one that Nest runs', async () => {
      @Injectable()
      class Theirs {
        @Cron(YEARLY, { name: 'nightly' })
        run(): void {}
      }
      @Injectable({ scope: Scope.REQUEST })
      class Adopted {
        @Cron(YEARLY, { name: 'nightly' })
        run(): void {}
      }
      const { app } = await compileApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Theirs, Adopted],
        options: { adoptNestSchedules: true },
      });
      const starting = app.init();
      await expect(starting).rejects.toBeInstanceOf(DuplicateScheduleError);
      await expect(starting).rejects.toThrow(/Adopted\.run.*"nightly"/);
    });
  });
});
