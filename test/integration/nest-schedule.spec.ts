import { Injectable, Module } from '@nestjs/common';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import {
  DuplicateScheduleError,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
} from '../../lib/index.js';
import { appsOnFakeClock, compileApp, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';

describe('An application with ScheduleModule', () => {
  const ran: string[] = [];

  @ScopedWorker()
  class Job {
    @ScopedCron('0 * * * * *')
    cron(): void {
      ran.push('cron');
    }

    @ScopedInterval(60_000)
    interval(): void {
      ran.push('interval');
    }

    @ScopedTimeout(60_000)
    timeout(): void {
      ran.push('timeout');
    }
  }

  @Injectable()
  class Legacy {
    @Cron('0 * * * * *', { name: 'legacy' })
    cron(): void {
      ran.push('legacy');
    }
  }

  appsOnFakeClock();
  beforeEach(() => void (ran.length = 0));

  describe('when it is imported', () => {
    @Module({ imports: [ScheduleModule.forRoot()] })
    class AlsoImporting {}

    it.each([
      ['once', [ScheduleModule.forRoot()]],
      ['twice', [ScheduleModule.forRoot(), AlsoImporting]],
    ])('[D24] %s, our schedules run once per slot', async (_times, imports) => {
      await startApp({ imports, providers: [Job] });
      await advance(61_000);
      expect(ran.sort()).toEqual(['cron', 'interval', 'timeout']);
    });

    it('[D24] a job of @nestjs/schedule runs beside ours, each once', async () => {
      await startApp({ imports: [ScheduleModule.forRoot()], providers: [Job, Legacy] });
      await advance(61_000);
      expect(ran.sort()).toEqual(['cron', 'interval', 'legacy', 'timeout']);
    });

    it('shows our crons in its SchedulerRegistry under their names', async () => {
      const { app } = await startApp({ imports: [ScheduleModule.forRoot()], providers: [Job] });
      const jobs = app.get(SchedulerRegistry, { strict: false }).getCronJobs();
      expect([...jobs.keys()]).toEqual(['Job.cron']);
      expect(jobs.get('Job.cron')!.nextDate().toJSDate().toISOString()).toBe(afterNoon(60_000));
    });
  });

  describe('when one of its jobs has the name of a schedule', () => {
    const named = (name: string): new () => object => {
      @ScopedWorker()
      class Named {
        @ScopedCron('0 * * * * *', { name })
        run(): void {
          ran.push('ours');
        }
      }
      return Named;
    };

    it('[XC10] refuses it, naming the handler, and none of our ticks runs', async () => {
      const { app } = await compileApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Legacy, named('legacy')],
      });
      const refused = app.init();
      await expect(refused).rejects.toThrow(DuplicateScheduleError);
      await expect(refused).rejects.toThrow(/Named\.run: .*"legacy".*Rename one/);
      await advance(61_000);
      expect(ran).not.toContain('ours');
    });

    it('[XC10] starts its neighbor with its own name', async () => {
      await startApp({ imports: [ScheduleModule.forRoot()], providers: [Legacy, named('own')] });
      await advance(61_000);
      expect(ran.sort()).toEqual(['legacy', 'ours']);
    });
  });
});
