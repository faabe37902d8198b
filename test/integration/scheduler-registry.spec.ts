import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { CronJob } from 'cron';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import {
  DuplicateScheduleError,
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
} from '../../lib/index.js';
import { appsOnFakeClock, compileApp, startApp } from '../support/app.js';
import { advance, afterNoon } from '../support/fake-clock.js';

appsOnFakeClock();

/** Crons of ours beside one of `@nestjs/schedule`. */
async function bothKinds(withScheduleModule = true) {
  const ran: string[] = [];
  @ScopedWorker()
  class Ours {
    @ScopedCron('* * * * * *', { name: 'ours' })
    everySecond(): void {
      ran.push('ours');
    }

    @ScopedCron('0 30 14 * * *', { timeZone: 'Europe/Berlin' })
    zoned(): void {}

    @ScopedCron('0 0 13 * * *', { utcOffset: -90 })
    shifted(): void {}

    @ScopedCron('* * * * * *', { disabled: true })
    disabled(): void {}

    @ScopedInterval(60_000)
    interval(): void {}
  }
  @Injectable()
  class Theirs {
    @Cron('* * * * * *', { name: 'theirs' })
    everySecond(): void {
      ran.push('theirs');
    }
  }
  const test = await startApp({
    imports: withScheduleModule ? [ScheduleModule.forRoot()] : [],
    providers: [Ours, Theirs],
  });
  const jobs = withScheduleModule ? test.app.get(SchedulerRegistry, { strict: false }) : undefined;
  return { ...test, ran, jobs: jobs as SchedulerRegistry };
}

describe('SchedulerRegistry of @nestjs/schedule', () => {
  it('has our crons under their names, beside those of @Cron', async () => {
    const { jobs } = await bothKinds();
    expect([...jobs.getCronJobs().keys()].sort()).toEqual([
      'Ours.disabled',
      'Ours.shifted',
      'Ours.zoned',
      'ours',
      'theirs',
    ]);
  });

  it('shows when each is due next', async () => {
    const { jobs, registry } = await bothKinds();
    for (const name of ['ours', 'Ours.zoned', 'Ours.shifted']) {
      const nextDate = jobs.getCronJob(name).nextDate().toMillis();
      expect(nextDate).toBe(registry.get(name).nextRun?.getTime());
    }
    expect(jobs.getCronJob('Ours.zoned').nextDate().toMillis()).toBe(
      Date.parse('2026-01-15T13:30:00Z'),
    );
  });

  it('shows when the last run was', async () => {
    const { jobs } = await bothKinds();
    expect(jobs.getCronJob('ours').lastDate()).toBeNull();
    await advance(2_000);
    expect(jobs.getCronJob('ours').lastDate()).toEqual(new Date(afterNoon(2_000)));
  });

  it('runs nothing twice', async () => {
    const { ran } = await bothKinds();
    await advance(3_000);
    expect(ran.filter((name) => name === 'ours')).toHaveLength(3);
    expect(ran.filter((name) => name === 'theirs')).toHaveLength(3);
  });

  it('pauses a schedule with stop() and resumes it with start()', async () => {
    const { jobs, registry, ran } = await bothKinds();
    const job = jobs.getCronJob('ours');
    const ours = (): number => ran.filter((name) => name === 'ours').length;
    expect(job.isActive).toBe(true);
    void job.stop();
    expect([job.isActive, registry.get('ours').state]).toEqual([false, 'paused']);
    await advance(3_000);
    expect(ours()).toBe(0);
    job.start();
    expect([job.isActive, registry.get('ours').state]).toEqual([true, 'active']);
    await advance(2_000);
    expect(ours()).toBe(2);
  });

  it('runs a schedule once with fireOnTick()', async () => {
    const { jobs, ran } = await bothKinds();
    await jobs.getCronJob('ours').fireOnTick();
    await advance(0);
    expect(ran).toEqual(['ours']);
  });

  it('runs nothing twice after start() on a schedule that was never stopped', async () => {
    const { jobs, ran } = await bothKinds();
    jobs.getCronJob('ours').start();
    await advance(2_000);
    expect(ran.filter((name) => name === 'ours')).toHaveLength(2);
  });

  it('shows a pause by our own registry', async () => {
    const { jobs, registry } = await bothKinds();
    registry.pause('ours');
    expect(jobs.getCronJob('ours').isActive).toBe(false);
    registry.resume('ours');
    expect(jobs.getCronJob('ours').isActive).toBe(true);
  });

  it('leaves no timer of ours and no run behind when the application is closed', async () => {
    const { app, ran } = await bothKinds();
    await advance(500);
    await app.close();
    ran.length = 0;
    expect(jest.getTimerCount()).toBe(0);
    await advance(3_000);
    expect(ran).toEqual([]);
  });

  it('does not count as a change of the schedule when the application is closed', async () => {
    const { app, events } = await bothKinds();
    const changes: unknown[] = [];
    events.on('schedule:changed', (change) => changes.push(change));
    await app.close();
    expect(changes).toEqual([]);
  });

  it('is not needed: without ScheduleModule our crons run all the same', async () => {
    const { ran } = await bothKinds(false);
    await advance(3_000);
    expect(ran).toEqual(['ours', 'ours', 'ours']);
  });

  it('has our crons wherever ScheduleModule is imported', async () => {
    @ScopedWorker()
    class Ours {
      @ScopedCron('* * * * * *')
      run(): void {}
    }
    @Module({ imports: [ScheduleModule.forRoot()] })
    class Inner {}
    @Module({ imports: [Inner] })
    class Outer {}
    const { app } = await startApp({ imports: [Outer], providers: [Ours] });
    const jobs = app.get(SchedulerRegistry, { strict: false });
    expect([...jobs.getCronJobs().keys()]).toEqual(['Ours.run']);
  });

  describe('when an @Cron has the name of one of our crons', () => {
    async function named(ourName: string) {
      const ran: string[] = [];
      @ScopedWorker()
      class Ours {
        @ScopedCron('* * * * * *', { name: ourName })
        run(): void {
          ran.push('ours');
        }
      }
      @Injectable()
      class Theirs {
        @Cron('* * * * * *', { name: 'cleanup' })
        run(): void {}
      }
      const metadata = { imports: [ScheduleModule.forRoot()], providers: [Ours, Theirs] };
      return { ...(await compileApp(metadata)), ran };
    }

    it('refuses to start, naming our handler and the name', async () => {
      const { app, ran } = await named('cleanup');
      const starting = app.init();
      await expect(starting).rejects.toBeInstanceOf(DuplicateScheduleError);
      await expect(starting).rejects.toMatchObject({
        code: 'DUPLICATE_SCHEDULE',
        message:
          'Ours.run: its schedule "cleanup" has the same name as the @Cron of Theirs.run, which @nestjs/schedule runs. Rename one of them with { name: \'...\' }.',
      });
      await advance(3_000);
      expect(ran).toEqual([]);
    });

    it('says so of a job that the application has added', async () => {
      @ScopedWorker()
      class Ours {
        @ScopedCron('* * * * * *', { name: 'added' })
        run(): void {}
      }
      @Injectable()
      class Adds {
        constructor(private readonly jobs: SchedulerRegistry) {}

        onModuleInit(): void {
          this.jobs.addCronJob('added', CronJob.from({ cronTime: '@yearly', onTick: () => {} }));
        }
      }
      const { app } = await compileApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Ours, Adds],
      });
      await expect(app.init()).rejects.toThrow(
        'Ours.run: its schedule "added" has the same name as a job that the application has added to SchedulerRegistry. Rename one of them with { name: \'...\' }, or remove the addCronJob() call if it adds the same job.',
      );
    });

    it('starts when the names differ', async () => {
      const { app, ran } = await named('cleanup-2');
      await app.init();
      await advance(1_000);
      expect(ran).toEqual(['ours']);
    });
  });
});
