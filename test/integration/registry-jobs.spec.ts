import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import {
  DuplicateScheduleError,
  ScopedConsumer,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  inMemoryQueue,
  type HandlerOptions,
  type ScopedWorkerModuleOptions,
} from '../../lib/index.js';
import { closeApps, startApp } from '../support/app.js';
import { advance, afterNoon, useFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/gate.js';
import { quietEngine } from '../support/quiet-engine.js';
import { heard } from '../support/run-time-schedules.js';

beforeEach(() => useFakeClock());
afterEach(async () => {
  await closeApps();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** A cron of ours of every second, whose runs last until the gate is opened, and its job. */
async function withJob(
  options: HandlerOptions = {},
  moduleOptions: ScopedWorkerModuleOptions = {},
) {
  const ran: number[] = [];
  const end = gate();
  @ScopedWorker()
  class Ours {
    @ScopedCron('* * * * * *', { name: 'ours', ...options })
    async everySecond(): Promise<void> {
      ran.push(Date.now());
      await end.opened;
    }
  }
  const test = await startApp({
    imports: [ScheduleModule.forRoot()],
    providers: [Ours],
    options: moduleOptions,
  });
  const jobs = test.app.get(SchedulerRegistry, { strict: false });
  return { ...test, ...heard(test), ran, end, jobs, job: jobs.getCronJob('ours') };
}

describe('A CronJob of SchedulerRegistry that shows one of our crons', () => {
  it('moves lastDate() with each slot, also with one that is skipped for overlap', async () => {
    const { job, ran, end } = await withJob();
    await advance(3_000);
    expect(ran).toHaveLength(1);
    expect(job.lastDate()).toEqual(new Date(afterNoon(3_000)));
    end.open();
  });

  it('says in isCallbackRunning whether a tick runs', async () => {
    const { job, end } = await withJob();
    expect(job.isCallbackRunning).toBe(false);
    await advance(1_000);
    expect(job.isCallbackRunning).toBe(true);
    end.open();
    await advance(0);
    expect(job.isCallbackRunning).toBe(false);
  });

  it('says in waitForCompletion what overlap is, and refuses another value', async () => {
    const skipping = await withJob();
    expect(skipping.job.waitForCompletion).toBe(true);
    expect(() => (skipping.job.waitForCompletion = false)).toThrow(
      "ours: waitForCompletion cannot be set on a job. Set overlap on the decorator of the schedule: 'skip' corresponds to true, 'allow' to false.",
    );
    const { job } = await withJob({ overlap: 'allow' });
    expect(job.waitForCompletion).toBe(false);
  });

  it('stop() waits for the run, as with waitForCompletion', async () => {
    const { job, end, registry } = await withJob();
    await advance(1_000);
    const stopped = jest.fn();
    void Promise.resolve(job.stop()).then(stopped);
    expect(registry.get('ours').state).toBe('paused');
    await advance(5_000);
    expect(stopped).not.toHaveBeenCalled();
    end.open();
    await advance(0);
    expect(stopped).toHaveBeenCalledTimes(1);
  });

  it('sees nothing of a standalone scope with the name of the schedule', async () => {
    const { job, scopes, end } = await withJob();
    const callback = jest.fn<() => void>();
    job.addCallback(callback);
    const run = scopes.run(() => end.opened, { name: 'ours' });
    await advance(0);
    expect([job.isCallbackRunning, job.lastDate(), callback.mock.calls]).toEqual([false, null, []]);
    await job.stop();
    end.open();
    await run;
  });

  it("stop() does not wait when overlap is 'allow'", async () => {
    const { job, end } = await withJob({ overlap: 'allow' });
    await advance(1_000);
    expect(job.stop()).toBeUndefined();
    end.open();
  });

  it('stop() in its own handler does not wait for itself', async () => {
    const finished = jest.fn();
    @ScopedWorker()
    class Ours {
      constructor(private readonly jobs: SchedulerRegistry) {}

      @ScopedCron('* * * * * *')
      async run(): Promise<void> {
        await this.jobs.getCronJob('Ours.run').stop();
        finished();
      }
    }
    await startApp({ imports: [ScheduleModule.forRoot()], providers: [Ours] });
    await advance(3_000);
    expect(finished).toHaveBeenCalledTimes(1);
  });

  it('fireOnTick() waits for the run', async () => {
    const { job, end } = await withJob();
    const fired = jest.fn();
    void job.fireOnTick().then(fired);
    await advance(500);
    expect(fired).not.toHaveBeenCalled();
    end.open();
    await advance(0);
    expect(fired).toHaveBeenCalledTimes(1);
  });

  it("[XF2] fireOnTick() during a run of fireOnTick() follows the schedule's overlap rule", async () => {
    const skipping = await withJob();
    void skipping.job.fireOnTick();
    await skipping.job.fireOnTick();
    expect(skipping.skipped).toEqual(['ours overlap']);
    skipping.end.open();
    const { job, ran, end, skipped } = await withJob({ overlap: 'buffer-one' });
    const fired = [job.fireOnTick(), job.fireOnTick()];
    await advance(500);
    end.open();
    await Promise.all(fired);
    expect([ran.length, skipped]).toEqual([2, []]);
  });

  it('[XF2] fireOnTick() leaves lastDate() as it is, because nothing was due', async () => {
    const { job, end } = await withJob();
    end.open();
    await job.fireOnTick();
    expect(job.lastDate()).toBeNull();
    await advance(1_500);
    await job.fireOnTick();
    expect(job.lastDate()).toEqual(new Date(afterNoon(1_000)));
  });

  it('calls what addCallback() adds with each tick; one that fails is logged and stops nothing', async () => {
    const { job, end, log, ran } = await withJob();
    const added = jest.fn();
    job.addCallback(() => {
      throw new Error('no luck');
    });
    job.addCallback(() => Promise.reject(new Error('no luck later')));
    job.addCallback(() => void added());
    end.open();
    await advance(2_000);
    await job.fireOnTick();
    expect(added).toHaveBeenCalledTimes(3);
    expect(ran).toHaveLength(3);
    expect(log.of('error').filter((line) => /no luck/.test(line))).toHaveLength(6);
    expect(log.of('error')[0]).toMatch(/^A callback of the CronJob of ours failed: .*no luck/);
  });

  it('calls what addCallback() adds once for all items of a list', async () => {
    const { job, end, ran } = await withJob({ forEach: { useFactory: () => ['a', 'b', 'c'] } });
    const added = jest.fn();
    job.addCallback(() => void added());
    end.open();
    await advance(1_000);
    expect(ran).toHaveLength(3);
    expect(added).toHaveBeenCalledTimes(1);
  });

  describe('when it is deleted', () => {
    it('[XF2] removes its schedule, which computes no more slots', async () => {
      const { jobs, registry, log, ran } = await withJob();
      jobs.deleteCronJob('ours');
      await advance(0);
      expect(registry.list()).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
      await advance(2_000);
      expect([ran, log.of('error'), log.of('warn')]).toEqual([[], [], []]);
    });

    it('[XF2] removes its schedule when another job takes the name at once', async () => {
      const { jobs, registry } = await withJob();
      jobs.deleteCronJob('ours');
      const theirs = new CronJob('0 0 0 1 1 *', () => undefined);
      jobs.addCronJob('ours', theirs);
      await advance(0);
      expect(registry.list()).toEqual([]);
      expect(jobs.getCronJob('ours')).toBe(theirs);
    });

    it('[XF2] frees the name in SchedulerRegistry at once, and in our registry for remove() and add()', async () => {
      const { jobs, registry, log } = await withJob();
      jobs.deleteCronJob('ours');
      const theirs = new CronJob('0 0 0 1 1 *', () => undefined);
      jobs.addCronJob('ours', theirs);
      jobs.deleteCronJob('ours');
      registry.remove('ours');
      registry.add({ name: 'ours', cron: '0 0 0 1 1 *', handler: () => undefined });
      const job = jobs.getCronJob('ours');
      await advance(0);
      expect(registry.list()).toMatchObject([{ name: 'ours', handler: 'function' }]);
      expect(jobs.getCronJob('ours')).toBe(job);
      expect([log.of('error'), log.of('warn')]).toEqual([[], []]);
    });

    it('[XF2] frees the name in our registry for add() alone one step of promises later', async () => {
      const { jobs, registry } = await withJob();
      const add = () =>
        registry.add({ name: 'ours', cron: '0 0 0 1 1 *', handler: () => undefined });
      jobs.deleteCronJob('ours');
      expect(add).toThrow(DuplicateScheduleError);
      await Promise.resolve();
      add();
      await advance(0);
      expect(registry.list()).toMatchObject([{ name: 'ours', handler: 'function' }]);
    });

    it('[XF2] only pauses its schedule when it is stopped', async () => {
      const { job, registry } = await withJob();
      void job.stop();
      await advance(0);
      expect(registry.get('ours').state).toBe('paused');
    });

    it('[XF2] lets the run that deletes it end', async () => {
      const { jobs, registry, end, next } = await withJob();
      await advance(1_000);
      const report = next('tick:finished');
      jobs.deleteCronJob('ours');
      await advance(0);
      end.open();
      expect(await report).toMatchObject({ schedule: 'ours', outcome: 'succeeded' });
      expect(registry.list()).toEqual([]);
    });
  });

  describe('when its schedule is disabled', () => {
    it('is there and not active, and start() starts it', async () => {
      const { job, registry, ran, end } = await withJob({ disabled: true });
      end.open();
      await advance(1_000);
      expect([job.isActive, ran]).toEqual([false, []]);
      job.start();
      expect([job.isActive, registry.get('ours').state]).toEqual([true, 'active']);
      await advance(2_000);
      expect(ran).toHaveLength(2);
      void job.stop();
      expect(registry.get('ours').state).toBe('paused');
    });

    it.each([
      [true, ['pause', 'resume', 'replace']],
      [false, ['replace']],
    ])(
      'start() resumes it in a custom engine as well; paused before: %s',
      async (isPaused, told) => {
        const calls: string[] = [];
        const engine = {
          ...quietEngine(() => undefined),
          add: () => undefined,
          remove: () => undefined,
        };
        for (const call of ['pause', 'resume'] as const)
          engine[call] = (name) => void calls.push(`${call} ${name}`);
        engine.replace = ({ name, options }) =>
          void calls.push(`replace ${name}${options.disabled ? ', disabled' : ''}`);
        const { job, registry, changes } = await withJob({ disabled: true }, { engine });
        if (isPaused) registry.pause('ours');
        job.start();
        expect(registry.get('ours').state).toBe('active');
        expect(calls).toEqual(told.map((call) => `${call} ours`));
        expect(changes.at(-1)).toEqual({ schedule: 'ours', change: 'resumed' });
      },
    );

    it('start() lets a list go on that was run by hand and paused', async () => {
      const forEach = { useFactory: () => ['a', 'b'] };
      const { job, registry, ran, end } = await withJob({ disabled: true, forEach });
      const report = registry.run('ours');
      await advance(0);
      registry.pause('ours');
      job.start();
      end.open();
      expect((await report).outcome).toBe('succeeded');
      expect(ran).toHaveLength(2);
    });
  });
});

describe('ScheduleModule.forRoot()', () => {
  async function switched(
    switches: { cronJobs?: boolean; intervals?: boolean; timeouts?: boolean },
    options: ScopedWorkerModuleOptions = {},
  ) {
    const ran = new Set<string>();
    const queue = inMemoryQueue<string>();
    const QUEUE = 'QUEUE';
    @ScopedWorker()
    class Ours {
      @ScopedCron('* * * * * *')
      cron(): void {
        ran.add('cron');
      }

      @ScopedCron('* * * * * *', { disabled: false })
      insists(): void {
        ran.add('insists');
      }

      @ScopedInterval(1_000)
      interval(): void {
        ran.add('interval');
      }

      @ScopedTimeout(1_000)
      timeout(): void {
        ran.add('timeout');
      }

      @ScopedConsumer(QUEUE)
      consumer(): void {
        ran.add('consumer');
      }
    }
    const test = await startApp({
      imports: [ScheduleModule.forRoot(switches)],
      providers: [Ours, { provide: QUEUE, useValue: queue }],
      options,
    });
    void queue.put('message');
    await advance(2_000);
    return { ...test, ran, jobs: test.app.get(SchedulerRegistry, { strict: false }) };
  }

  it('with cronJobs: false disables our crons too, and says so', async () => {
    const { ran, registry, log, jobs } = await switched({ cronJobs: false });
    expect([...ran].sort()).toEqual(['consumer', 'insists', 'interval', 'timeout']);
    expect(registry.get('Ours.cron')).toMatchObject({ state: 'disabled', nextRun: undefined });
    expect([...jobs.getCronJobs().keys()]).toEqual(['Ours.insists']);
    expect(log.of('log')).toContainEqual(
      'Disabled by ScheduleModule.forRoot({ cronJobs: false }): Ours.cron. To run one of them anyway, set disabled: false on it.',
    );
  });

  it('with intervals: false and timeouts: false disables ours too', async () => {
    const { ran, jobs } = await switched({ intervals: false, timeouts: false });
    expect([...ran].sort()).toEqual(['consumer', 'cron', 'insists']);
    expect([jobs.getIntervals(), jobs.getTimeouts()]).toEqual([[], []]);
  });

  it('disables nothing when defaults or overrides say disabled: false', async () => {
    const all = await switched({ cronJobs: false }, { defaults: { disabled: false } });
    expect(all.ran).toContain('cron');
    const one = await switched(
      { cronJobs: false, intervals: false },
      { overrides: { 'Ours.cron': { disabled: false } } },
    );
    expect([...one.ran].sort()).toEqual(['consumer', 'cron', 'insists', 'timeout']);
  });

  it('disables nothing without these options, and says nothing', async () => {
    const { ran, log } = await switched({});
    expect(ran.size).toBe(5);
    expect(log.of('log').filter((line) => line.startsWith('Disabled'))).toEqual([]);
  });

  it('does not disable what is added at run time', async () => {
    const { registry, ran } = await switched({ cronJobs: false });
    registry.add({ name: 'added', cron: '* * * * * *', handler: () => void ran.add('added') });
    await advance(1_000);
    expect(ran).toContain('added');
  });
});
