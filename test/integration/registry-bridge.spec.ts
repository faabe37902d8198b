import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { CronJob, CronTime } from 'cron';
import { CronTime as CronTime3 } from 'cron-3';
import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  type ScopedWorkerModuleOptions,
  type ScopedWorkerRegistry,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, afterNoon, useFakeClock } from '../support/fake-clock.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** One cron of ours of every second and one of every hour in Berlin, one interval, and an `@Cron` of Nest. */
async function withScheduleModule(options: ScopedWorkerModuleOptions = {}) {
  const ran: string[] = [];
  @ScopedWorker()
  class Ours {
    @ScopedCron('* * * * * *', { name: 'ours' })
    everySecond(): void {
      ran.push('ours');
    }

    @ScopedCron('0 0 * * * *', { timeZone: 'Europe/Berlin' })
    zoned(): void {
      ran.push('zoned');
    }

    @ScopedCron('0 0 * * * *', { utcOffset: 90 })
    shifted(): void {}

    @ScopedCron('-')
    off(): void {
      ran.push('off');
    }

    @ScopedInterval(60_000)
    interval(): void {
      ran.push('interval');
    }
  }
  @Injectable()
  class Theirs {
    @Cron('0 0 0 1 1 *', { name: 'theirs' })
    yearly(): void {}
  }
  const test = await startApp({
    imports: [ScheduleModule.forRoot()],
    providers: [Ours, Theirs],
    options,
  });
  const jobs = test.app.get(SchedulerRegistry, { strict: false });
  const changes: unknown[] = [];
  test.events.on('schedule:changed', ({ schedule, change }) => changes.push([schedule, change]));
  return { ...test, ran, jobs, changes, names: () => [...jobs.getCronJobs().keys()].sort() };
}

const SHOWN = ['Ours.shifted', 'Ours.zoned', 'ours', 'theirs'];

describe('SchedulerRegistry of @nestjs/schedule, when our schedules change at run time', () => {
  it("[C17] has no job of a schedule that '-' switches off, and starts all the same", async () => {
    const { names, registry } = await withScheduleModule();
    expect(names()).toEqual(SHOWN);
    expect(registry.get('Ours.off').state).toBe('disabled');
  });

  describe('when one is added', () => {
    it('[XF2] has a job of a cron, which answers and controls it', async () => {
      const { jobs, names, registry, ran } = await withScheduleModule();
      registry.add({ name: 'added', cron: '*/2 * * * * *', handler: () => void ran.push('added') });
      expect(names()).toEqual(['Ours.shifted', 'Ours.zoned', 'added', 'ours', 'theirs']);
      const job = jobs.getCronJob('added');
      expect(job.nextDate().toMillis()).toBe(Date.parse(afterNoon(2_000)));
      await advance(2_000);
      expect(job.lastDate()).toEqual(new Date(afterNoon(2_000)));
      void job.stop();
      expect(registry.get('added').state).toBe('paused');
      job.start();
      await advance(2_000);
      expect(ran.filter((name) => name === 'added')).toHaveLength(2);
    });

    it('[XF2] has none of an interval, nor of a cron that is switched off', async () => {
      const { names, registry } = await withScheduleModule();
      registry.add({ name: 'poll', everyMs: 1_000, handler: () => undefined });
      registry.add({ name: 'off', cron: '-', handler: () => undefined });
      expect(names()).toEqual(SHOWN);
    });

    it('[XF2] leaves a job of another alone that has its name, and says so', async () => {
      const { jobs, registry, ran, log, names } = await withScheduleModule();
      const theirs = jobs.getCronJob('theirs');
      registry.add({ name: 'theirs', cron: '* * * * * *', handler: () => void ran.push('added') });
      expect(jobs.getCronJob('theirs')).toBe(theirs);
      expect(log.of('warn')).toEqual([
        "theirs: this is also the name of the @Cron of Theirs.yearly, which @nestjs/schedule runs, so the schedule doesn't appear in SchedulerRegistry. Rename one of them.",
      ]);
      await advance(1_000);
      expect(ran).toContain('added');
      registry.remove('theirs');
      expect(jobs.getCronJob('theirs')).toBe(theirs);
      expect(names()).toEqual(SHOWN);
      expect(log.of('error')).toEqual([]);
    });
  });

  describe('when one is removed', () => {
    it('[XF2] has its job no more, and nothing fails', async () => {
      const { jobs, names, registry, changes, log } = await withScheduleModule();
      const job = jobs.getCronJob('ours');
      registry.remove('ours');
      expect(names()).toEqual(['Ours.shifted', 'Ours.zoned', 'theirs']);
      expect(job.isActive).toBe(false);
      expect(() => void job.stop()).not.toThrow();
      expect(() => job.start()).not.toThrow();
      expect(changes).toEqual([['ours', 'removed']]);
      expect(log.of('error')).toEqual([]);
    });

    it('[XF2] refuses what is asked of the job that is gone, and nothing is left unhandled', async () => {
      const { jobs, registry } = await withScheduleModule();
      const told = jest.spyOn(console, 'error').mockImplementation(() => undefined);
      const job = jobs.getCronJob('ours');
      registry.remove('ours');
      const gone = /^ours is no longer in SchedulerRegistry: .+\.$/;
      expect(() => job.setTime(new CronTime('0 * * * * *'))).toThrow(gone);
      await job.fireOnTick();
      expect(told.mock.calls).toEqual([
        [expect.any(String), expect.objectContaining({ message: expect.stringMatching(gone) })],
      ]);
    });

    it('[XF2] has a new job when the name comes back; the old one does nothing to it', async () => {
      const { jobs, registry } = await withScheduleModule();
      const old = jobs.getCronJob('ours');
      registry.remove('ours');
      registry.add({ name: 'ours', cron: '*/5 * * * * *', handler: () => undefined });
      const job = jobs.getCronJob('ours');
      expect(job).not.toBe(old);
      expect(job.nextDate().toMillis()).toBe(Date.parse(afterNoon(5_000)));
      void old.stop();
      expect([registry.get('ours').state, job.isActive, old.isActive]).toEqual([
        'active',
        true,
        false,
      ]);
    });

    it('[XF2] does not mind that the job was deleted before, nor take another of its name', async () => {
      const { jobs, registry, log, names } = await withScheduleModule();
      jobs.deleteCronJob('ours');
      expect(registry.get('ours').state).toBe('paused');
      registry.remove('ours');
      jobs.deleteCronJob('Ours.zoned');
      const foreign = new CronJob('0 0 0 1 1 *', () => undefined);
      jobs.addCronJob('Ours.zoned', foreign);
      registry.remove('Ours.zoned');
      expect(names()).toEqual(['Ours.shifted', 'Ours.zoned', 'theirs']);
      expect(jobs.getCronJob('Ours.zoned')).toBe(foreign);
      expect(log.of('error')).toEqual([]);
    });
  });

  describe('when one is rescheduled', () => {
    it('[XF2] the job that callers hold shows the new time, in the zone of the schedule', async () => {
      const { jobs, registry } = await withScheduleModule();
      const job = jobs.getCronJob('Ours.zoned');
      registry.reschedule('Ours.zoned', { cron: '0 30 14 * * *' });
      expect(jobs.getCronJob('Ours.zoned')).toBe(job);
      expect(job.nextDate().toMillis()).toBe(Date.parse('2026-01-15T13:30:00Z'));
      registry.reschedule('Ours.shifted', { cron: '0 0 14 * * *' });
      expect(jobs.getCronJob('Ours.shifted').nextDate().toMillis()).toBe(
        registry.get('Ours.shifted').nextRun!.getTime(),
      );
    });

    it('[XF2] a cron that becomes an interval has a job no more, and is not paused by that', async () => {
      const { jobs, names, registry, ran, changes } = await withScheduleModule();
      const job = jobs.getCronJob('ours');
      registry.reschedule('ours', { everyMs: 500 });
      expect(names()).toEqual(['Ours.shifted', 'Ours.zoned', 'theirs']);
      void job.stop();
      expect(registry.get('ours')).toMatchObject({ state: 'active', kind: 'interval' });
      expect(changes).toEqual([['ours', 'rescheduled']]);
      await advance(1_000);
      expect(ran).toEqual(['ours', 'ours']);
      registry.reschedule('ours', { cron: '*/3 * * * * *' });
      expect(names()).toEqual(SHOWN);
      expect(jobs.getCronJob('ours').nextDate().toMillis()).toBe(Date.parse(afterNoon(3_000)));
    });

    it("[XF2] one that '-' switches off has a job no more, until it is switched on", async () => {
      const { jobs, names, registry } = await withScheduleModule();
      registry.reschedule('ours', { cron: '-' });
      expect(names()).toEqual(['Ours.shifted', 'Ours.zoned', 'theirs']);
      registry.reschedule('ours', { cron: '* * * * * *' });
      registry.reschedule('Ours.off', { cron: '*/4 * * * * *' });
      expect(names()).toEqual(['Ours.off', ...SHOWN]);
      expect(jobs.getCronJob('Ours.off').nextDate().toMillis()).toBe(Date.parse(afterNoon(4_000)));
    });

    it('[XF2] an interval that becomes a cron has a job', async () => {
      const { jobs, registry } = await withScheduleModule();
      registry.reschedule('Ours.interval', { cron: '*/7 * * * * *' });
      expect(jobs.getCronJob('Ours.interval').nextDate().toMillis()).toBe(
        Date.parse(afterNoon(7_000)),
      );
    });

    it('[XF2] one that is paused stays so', async () => {
      const { jobs, registry } = await withScheduleModule();
      registry.pause('ours');
      registry.reschedule('ours', { cron: '*/2 * * * * *' });
      expect(jobs.getCronJob('ours').isActive).toBe(false);
      jobs.getCronJob('ours').start();
      expect(registry.get('ours').state).toBe('active');
    });
  });

  describe('when a job is set to another time', () => {
    it('[XF2] setTime() reschedules', async () => {
      const { jobs, registry, ran, changes } = await withScheduleModule();
      const job = jobs.getCronJob('ours');
      job.setTime(new CronTime('*/2 * * * * *'));
      expect(changes).toEqual([['ours', 'rescheduled']]);
      expect(registry.get('ours').expression).toBe('*/2 * * * * *');
      expect(job.cronTime.source).toBe('*/2 * * * * *');
      expect(job.isActive).toBe(true);
      await advance(4_000);
      expect(ran.filter((name) => name === 'ours')).toHaveLength(2);
    });

    it('[XF2] setTime() takes the zone that the schedule has', async () => {
      const { jobs, registry } = await withScheduleModule();
      jobs.getCronJob('Ours.zoned').setTime(new CronTime('0 30 14 * * *', 'Europe/Berlin'));
      jobs.getCronJob('Ours.shifted').setTime(new CronTime('0 0 14 * * *', null, 90));
      expect(registry.get('Ours.zoned').nextRun).toEqual(new Date('2026-01-15T13:30:00Z'));
      expect(registry.get('Ours.shifted').nextRun).toEqual(new Date('2026-01-15T12:30:00Z'));
    });

    // `@nestjs/schedule` 5 comes with cron 3, whose CronTime without a zone has no `timeZone` at all.
    it.each<[name: string, time: CronTime3, nextRun: string]>([
      ['ours', new CronTime3('0 * * * * *'), '2026-01-15T12:01:00Z'],
      ['Ours.zoned', new CronTime3('0 30 14 * * *', 'Europe/Berlin'), '2026-01-15T13:30:00Z'],
      ['Ours.shifted', new CronTime3('0 0 14 * * *', null, 90), '2026-01-15T12:30:00Z'],
    ])('[XF2] setTime() of %s takes a CronTime of cron 3', async (name, time, nextRun) => {
      const { jobs, registry } = await withScheduleModule();
      jobs.getCronJob(name).setTime(time as unknown as CronTime);
      expect(registry.get(name).nextRun).toEqual(new Date(nextRun));
    });

    it.each<[string, string, unknown, string]>([
      ['a Date', 'ours', new CronTime(new Date('2030-01-01T00:00:00Z')), 'not a date'],
      ['another zone', 'ours', new CronTime('* * * * * *', 'Asia/Tokyo'), 'Asia/Tokyo'],
      ['no zone, where there is one', 'Ours.zoned', new CronTime('0 * * * * *'), 'Europe/Berlin'],
      ['another offset', 'Ours.shifted', new CronTime('0 * * * * *', null, 60), 'offset'],
      ['no zone, of cron 3', 'Ours.zoned', new CronTime3('0 * * * * *'), 'Europe/Berlin'],
      ['an offset, of cron 3', 'ours', new CronTime3('0 * * * * *', null, 60), 'offset'],
      ['a Date, of cron 3', 'ours', new CronTime3(new Date('2030-01-01T00:00:00Z')), 'not a date'],
      ['a string', 'ours', '0 * * * * *', 'CronTime'],
      ['undefined', 'ours', undefined, 'CronTime'],
      ['an object', 'ours', { source: 5 }, 'CronTime'],
    ])(
      '[XF2] setTime() refuses %s in one sentence, and nothing changes',
      async (_, name, time, word) => {
        const { jobs, registry, changes } = await withScheduleModule();
        const before = registry.get(name);
        const set = (): void => jobs.getCronJob(name).setTime(time as CronTime);
        expect(set).toThrow(new RegExp(`^${name}: setTime\\(\\) .*${word}.*\\.$`));
        expect([registry.get(name), changes]).toEqual([before, []]);
      },
    );
  });

  it('[XF2] adds nothing when the shutdown has begun', async () => {
    const { app, registry, names, events, log } = await withScheduleModule();
    events.on('shutdown:finished', () => {
      registry.add({ name: 'late', cron: '* * * * * *', handler: () => undefined });
    });
    await app.close();
    expect(names()).toEqual([]);
    expect(log.of('error')).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[J1] keeps nothing of schedules that come and go', async () => {
    const { registry, names, events } = await withScheduleModule();
    const listen = jest.spyOn(events, 'on');
    for (let round = 0; round < 500; round += 1) comeAndGo(registry, round);
    expect(names()).toEqual(SHOWN);
    expect(listen).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBeLessThan(10);
  });
});

function comeAndGo(registry: ScopedWorkerRegistry, round: number): void {
  const name = `row ${round}`;
  registry.add({ name, cron: '0 0 0 1 1 *', handler: () => undefined });
  registry.reschedule(name, { everyMs: 1_000 });
  registry.reschedule(name, { cron: '0 0 0 1 1 *' });
  registry.remove(name);
}
