import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { ScopedInterval, ScopedTimeout, ScopedWorker } from '../../lib/index.js';
import { closeApps, compileApp, startApp } from '../support/app.js';
import { advance, useFakeClock } from '../support/fake-clock.js';

afterEach(async () => {
  await closeApps();
  jest.useRealTimers();
});

/** An interval and a timeout of ours, and an interval that ends itself with its second run, as with `@Interval`. */
async function withTimers(periodMs = 1_000) {
  const ran: string[] = [];
  @ScopedWorker()
  class Ours {
    constructor(private readonly jobs: SchedulerRegistry) {}

    @ScopedInterval(periodMs, { name: 'poll' })
    poll(): void {
      ran.push('poll');
    }

    @ScopedInterval(periodMs, { name: 'twice' })
    twice(): void {
      ran.push('twice');
      if (ran.filter((name) => name === 'twice').length === 2)
        clearInterval(this.jobs.getInterval('twice'));
    }

    @ScopedTimeout(2_000, { name: 'later' })
    later(): void {
      ran.push('later');
    }

    @ScopedInterval(periodMs, { disabled: true })
    off(): void {}
  }
  const test = await startApp({ imports: [ScheduleModule.forRoot()], providers: [Ours] });
  const jobs = test.app.get(SchedulerRegistry, { strict: false });
  const names = (): string[] => test.registry.list().map(({ name }) => name);
  return { ...test, ran, jobs, names };
}

describe('SchedulerRegistry of @nestjs/schedule, of intervals and timeouts', () => {
  beforeEach(() => useFakeClock());

  it('[XF2] has ours under their names', async () => {
    const { jobs } = await withTimers();
    expect(jobs.getIntervals()).toEqual(['poll', 'twice']);
    expect(jobs.getTimeouts()).toEqual(['later']);
    expect(jobs.doesExist('interval', 'poll')).toBe(true);
  });

  it('[XF2] ends an interval whose handler clears it, and nothing fails', async () => {
    const { ran, names, log } = await withTimers();
    await advance(5_000);
    expect(ran.filter((name) => name === 'twice')).toHaveLength(2);
    expect(ran.filter((name) => name === 'poll')).toHaveLength(5);
    expect(names()).not.toContain('twice');
    expect(log.of('error')).toEqual([]);
  });

  it.each<[string, (jobs: SchedulerRegistry) => void, string]>([
    ['clearInterval()', (jobs) => clearInterval(jobs.getInterval('poll')), 'poll'],
    ['deleteInterval()', (jobs) => jobs.deleteInterval('poll'), 'poll'],
    ['clearTimeout()', (jobs) => clearTimeout(jobs.getTimeout('later')), 'later'],
    ['deleteTimeout()', (jobs) => jobs.deleteTimeout('later'), 'later'],
  ])('[XF2] %s removes the schedule', async (_, end, name) => {
    const { jobs, ran, names, log } = await withTimers();
    end(jobs);
    expect(names()).not.toContain(name);
    await advance(3_000);
    expect(ran).not.toContain(name);
    expect(new Set(ran).size).toBe(2);
    expect(log.of('error')).toEqual([]);
  });

  it('[XF2] keeps a timer that was cleared, as with Nest, until it is deleted or its name comes back', async () => {
    const { jobs, registry, ran } = await withTimers();
    const timer = jobs.getInterval('poll');
    clearInterval(timer);
    clearInterval(jobs.getInterval('poll'));
    expect(jobs.getInterval('poll')).toBe(timer);
    registry.add({ name: 'poll', everyMs: 1_000, handler: () => void ran.push('again') });
    expect(jobs.getInterval('poll')).not.toBe(timer);
    clearInterval(timer);
    await advance(1_000);
    expect(ran).toContain('again');
  });

  it('[XF2] has the interval that a cron becomes, and no longer one that is removed', async () => {
    const { jobs, registry, ran } = await withTimers();
    registry.reschedule('poll', { cron: '* * * * * *' });
    expect([jobs.getIntervals(), [...jobs.getCronJobs().keys()]]).toEqual([['twice'], ['poll']]);
    registry.reschedule('poll', { everyMs: 500 });
    expect([jobs.getIntervals(), jobs.getCronJobs().size]).toEqual([['twice', 'poll'], 0]);
    await advance(1_000);
    expect(ran.filter((name) => name === 'poll')).toHaveLength(2);
    registry.remove('poll');
    registry.remove('later');
    expect([jobs.getIntervals(), jobs.getTimeouts()]).toEqual([['twice'], []]);
  });

  it('[XF2] changes nothing when ScheduleModule clears everything on shutdown', async () => {
    const { app, events, jobs, names } = await withTimers();
    const changes: unknown[] = [];
    events.on('schedule:changed', (change) => changes.push(change));
    await app.close();
    expect(changes).toEqual([]);
    expect(names()).toContain('poll');
    expect([jobs.getIntervals(), jobs.getTimeouts()]).toEqual([[], []]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('[XC10] refuses to start when Nest has one of the same name and kind; another kind may have it', async () => {
    @ScopedWorker()
    class Ours {
      @ScopedInterval(1_000, { name: 'poll' })
      poll(): void {}
    }
    @Injectable()
    class Same {
      @Interval('poll', 1_000)
      poll(): void {}
    }
    @Injectable()
    class Other {
      @Timeout('poll', 1_000)
      poll(): void {}
    }
    const with_ = async (provider: Function): Promise<unknown> => {
      const { app } = await compileApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Ours, provider as never],
      });
      return app.init();
    };
    await expect(with_(Same)).rejects.toMatchObject({
      code: 'DUPLICATE_SCHEDULE',
      message: expect.stringMatching(
        /^Ours\.poll: its schedule "poll" has the same name as the @Interval of .*, which @nestjs\/schedule runs/,
      ),
    });
    await expect(with_(Other)).resolves.toBeDefined();
  });
});

describe('A timer of SchedulerRegistry on the real clock', () => {
  it.each<[string, (timer: NodeJS.Timeout) => void]>([
    ['clearInterval()', (timer) => clearInterval(timer)],
    ['clearTimeout()', (timer) => clearTimeout(timer)],
    ['clearInterval() of its number', (timer) => clearInterval(+timer)],
    ['close()', (timer) => timer.close()],
    ['Symbol.dispose', (timer) => timer[Symbol.dispose]()],
  ])('[XF2] ends its schedule by %s', async (_, clear) => {
    const { jobs, names } = await withTimers(60_000);
    const timer = jobs.getInterval('poll') as NodeJS.Timeout;
    clear(timer);
    clear(timer);
    expect(names()).not.toContain('poll');
    expect(names()).toContain('twice');
  });

  it('is a Timeout; refresh(), ref() and unref() leave the schedule as it is', async () => {
    const { jobs, names } = await withTimers(60_000);
    const timer = jobs.getInterval('poll') as NodeJS.Timeout;
    expect(timer.constructor.name).toBe('Timeout');
    timer.refresh().unref().ref();
    expect(names()).toContain('poll');
  });
});
