import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  Global,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type Provider,
} from '@nestjs/common';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { CronJob, CronTime } from 'cron';
import {
  DuplicateScheduleError,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerRegistry,
} from '../../lib/index.js';
import { jobClass } from '../support/adoption.js';
import { appsOnFakeClock, compileApp, startApp, type TestAppOptions } from '../support/app.js';
import { advance } from '../support/fake-clock.js';

const ran: string[] = [];

appsOnFakeClock();
beforeEach(() => void (ran.length = 0));

@ScopedWorker()
class Ours {
  @ScopedCron('* * * * * *', { name: 'cron' })
  cron(): void {
    ran.push('cron');
  }

  @ScopedCron('* * * * * *', { name: 'disabled', disabled: true })
  disabled(): void {
    ran.push('disabled');
  }

  @ScopedInterval(1_000, { name: 'interval' })
  interval(): void {
    ran.push('interval');
  }

  @ScopedTimeout(1_000, { name: 'timeout' })
  timeout(): void {
    ran.push('timeout');
  }
}

type Bootstrap = (jobs: SchedulerRegistry, registry: ScopedWorkerRegistry) => unknown;

/** A provider of the application with an `onApplicationBootstrap`. */
function booting(bootstrap: Bootstrap): Provider {
  @Injectable()
  class Boots {
    constructor(
      private readonly jobs: SchedulerRegistry,
      private readonly registry: ScopedWorkerRegistry,
    ) {}

    async onApplicationBootstrap(): Promise<void> {
      await bootstrap(this.jobs, this.registry);
    }
  }
  return Boots;
}

/** The same in a global module: imported before `ScheduleModule`, its hook runs before Nest adds the jobs of decorators. */
function bootingFirst(bootstrap: Bootstrap): DynamicModule {
  @Global()
  @Module({})
  class First {}
  return { module: First, providers: [booting(bootstrap)] };
}

/** An application with our schedules and `bootstrap`. */
async function bootedWith(bootstrap: Bootstrap) {
  const test = await startApp({
    imports: [ScheduleModule.forRoot()],
    providers: [Ours, booting(bootstrap)],
  });
  const jobs = test.app.get(SchedulerRegistry, { strict: false });
  return { ...test, jobs };
}

/** How often a schedule has run, three seconds later. */
async function runsOf(name: string): Promise<number> {
  await advance(3_000);
  return ran.filter((each) => each === name).length;
}

describe('SchedulerRegistry, in onApplicationBootstrap of the application', () => {
  const seen: unknown[] = [];
  const look: Bootstrap = (jobs) => {
    seen.push([...jobs.getCronJobs().keys()], jobs.getIntervals(), jobs.getTimeouts());
    seen.push(jobs.getCronJob('cron').isActive, jobs.getCronJob('disabled').isActive);
    seen.push(jobs.getCronJob('cron').nextDate().toMillis() - Date.now());
  };
  const SEEN = [['cron', 'disabled'], ['interval'], ['timeout'], true, false, 1_000];

  it.each<[string, TestAppOptions]>([
    ['a provider', { imports: [ScheduleModule.forRoot()], providers: [booting(look)] }],
    ['a global module', { imports: [bootingFirst(look), ScheduleModule.forRoot()] }],
  ])('[XF2] has our schedules, for %s', async (_, { providers = [], ...options }) => {
    seen.length = 0;
    await startApp({ ...options, providers: [Ours, ...providers] });
    expect(seen).toEqual(SEEN);
    expect(await runsOf('cron')).toBe(3);
  });

  it('[XF2] has a schedule whose expression comes from a provider', async () => {
    @ScopedWorker()
    class Provided {
      @ScopedCron({ inject: ['CRON'], useFactory: (cron: string) => cron }, { name: 'provided' })
      run(): void {}
    }
    let source: unknown;
    await startApp({
      imports: [ScheduleModule.forRoot()],
      providers: [
        Provided,
        { provide: 'CRON', useValue: '0 0 3 * * *' },
        booting((jobs) => (source = jobs.getCronJob('provided').cronTime.source)),
      ],
    });
    expect(source).toBe('0 0 3 * * *');
  });

  it('[XF2] stop() pauses the schedule, until start()', async () => {
    const { jobs, registry } = await bootedWith(async (jobs) => jobs.getCronJob('cron').stop());
    expect(registry.get('cron').state).toBe('paused');
    expect(await runsOf('cron')).toBe(0);
    jobs.getCronJob('cron').start();
    expect(await runsOf('cron')).toBe(3);
    expect(await runsOf('interval')).toBe(9);
  });

  it('[XF2] start() resumes a schedule that was stopped there', async () => {
    const { registry } = await bootedWith(async (jobs) => {
      const job = jobs.getCronJob('cron');
      void job.stop();
      job.start();
    });
    expect(registry.get('cron')).toMatchObject({ state: 'active', nextRun: expect.any(Date) });
    expect(await runsOf('cron')).toBe(3);
  });

  it('[XF2] start() starts a schedule that its options disable', async () => {
    const { jobs } = await bootedWith((jobs) => jobs.getCronJob('disabled').start());
    expect(jobs.getCronJob('disabled').isActive).toBe(true);
    expect(await runsOf('disabled')).toBe(3);
  });

  it('[XF2] setTime() reschedules', async () => {
    const { jobs, registry } = await bootedWith((jobs) =>
      jobs.getCronJob('cron').setTime(new CronTime('*/3 * * * * *')),
    );
    expect(registry.get('cron').expression).toBe('*/3 * * * * *');
    expect(jobs.getCronJob('cron').nextDate().toJSDate()).toEqual(registry.get('cron').nextRun);
    expect(await runsOf('cron')).toBe(1);
  });

  it.each<[string, string, Bootstrap]>([
    ['deleteCronJob()', 'cron', (jobs) => jobs.deleteCronJob('cron')],
    ['deleteInterval()', 'interval', (jobs) => jobs.deleteInterval('interval')],
    ['deleteTimeout()', 'timeout', (jobs) => jobs.deleteTimeout('timeout')],
    ['clearInterval()', 'interval', (jobs) => clearInterval(jobs.getInterval('interval'))],
    ['clearTimeout()', 'timeout', (jobs) => clearTimeout(jobs.getTimeout('timeout'))],
  ])('[XF2] %s removes the schedule', async (_, name, end) => {
    const { registry, log } = await bootedWith(end);
    expect(registry.has(name)).toBe(false);
    expect(await runsOf(name)).toBe(0);
    expect(new Set(ran).size).toBe(2);
    expect(log.of('error')).toEqual([]);
  });

  it('[XF2] pause(), resume(), reschedule() and remove() of ScopedWorkerRegistry work as well', async () => {
    const { jobs } = await bootedWith((_jobs, registry) => {
      registry.pause('cron');
      registry.pause('interval');
      registry.resume('interval');
      registry.reschedule('interval', { everyMs: 1_500 });
      registry.remove('timeout');
    });
    expect([jobs.getCronJob('cron').isActive, jobs.getTimeouts()]).toEqual([false, []]);
    await advance(3_000);
    expect(ran).toEqual(['interval', 'interval']);
  });

  it('[D23] fireOnTick() is skipped: no tick runs before start-up is complete', async () => {
    const reasons: unknown[] = [];
    const { app, events } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Ours, booting((jobs) => jobs.getCronJob('cron').fireOnTick())],
    });
    events.on('tick:skipped', ({ schedule, reason }) => reasons.push([schedule, reason]));
    await app.init();
    expect(reasons).toEqual([['cron', 'not-started']]);
    expect(ran).toEqual([]);
  });

  it('[XF2] has our schedules also when the application is closed during start-up', async () => {
    let isActive: unknown;
    let closing: Promise<void> | undefined;
    @Injectable()
    class Closes {
      onModuleInit(): void {
        closing = app.close(); // on Nest 12 it waits for start-up, on Nest 11.0 start-up goes on meanwhile
      }
    }
    const { app } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Ours, Closes, booting((jobs) => (isActive = jobs.getCronJob('cron').isActive))],
    });
    await app.init();
    await closing;
    expect(isActive).toBe(true);
    expect(await runsOf('cron')).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it("refuses what the application adds under one of our names, in Nest's words", async () => {
    const { app } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [
        Ours,
        booting((jobs) =>
          jobs.addCronJob('cron', CronJob.from({ cronTime: '@yearly', onTick: () => {} })),
        ),
      ],
    });
    await expect(app.init()).rejects.toThrow('Cron Job with the given name (cron) already exists');
  });

  it('accepts what the application adds under another name', async () => {
    const { jobs } = await bootedWith((jobs) =>
      jobs.addCronJob('other', CronJob.from({ cronTime: '@yearly', onTick: () => {} })),
    );
    expect(jobs.doesExist('cron', 'other')).toBe(true);
  });

  it('does not have a schedule that is added under the name of a job that Nest adds next', async () => {
    @Injectable()
    class Theirs {
      @Cron('* * * * * *', { name: 'theirs' })
      run(): void {
        ran.push('theirs');
      }
    }
    const { app, registry, log } = await startApp({
      imports: [
        bootingFirst((_, registry) =>
          registry.add({
            name: 'theirs',
            cron: '* * * * * *',
            handler: () => void ran.push('added'),
          }),
        ),
        ScheduleModule.forRoot(),
      ],
      providers: [Theirs],
    });
    expect(log.of('warn')).toContain(
      "theirs: this is also the name of the @Cron of Theirs.run, which @nestjs/schedule runs, so the schedule doesn't appear in SchedulerRegistry. Rename one of them.",
    );
    await advance(1_000);
    expect([...ran].sort()).toEqual(['added', 'theirs']);
    const jobs = app.get(SchedulerRegistry, { strict: false });
    jobs.deleteCronJob('theirs');
    registry.remove('theirs');
    registry.add({ name: 'theirs', cron: '* * * * * *', handler: () => {} });
    expect(jobs.getCronJob('theirs').isActive).toBe(true);
  });
});

describe('A name that a decorator of @nestjs/schedule has too', () => {
  let hasBooted = false;
  const boots = booting(() => (hasBooted = true));

  beforeEach(() => {
    hasBooted = false;
  });

  /** One class with a job of each kind that runs, so that a timer of Nest would be left over. */
  @Injectable()
  class Others {
    @Cron('* * * * * *')
    cron(): void {}

    @Interval(1_000)
    interval(): void {}

    @Timeout(1_000)
    timeout(): void {}
  }

  const run = (): number => ran.push('theirs');

  const CLASHES: [string, MethodDecorator][] = [
    ['cron', Cron('* * * * * *', { name: 'cron' })],
    ['interval', Interval('interval', 1_000)],
    ['timeout', Timeout('timeout', 1_000)],
  ];

  it.each(CLASHES)(
    '[XC10] stops start-up before Nest has started its jobs and before any onApplicationBootstrap: %s',
    async (name, decorator) => {
      const { app } = await compileApp({
        imports: [ScheduleModule.forRoot()],
        providers: [Ours, Others, jobClass(Scope.DEFAULT, decorator, run), boots],
      });
      const jobs = app.get(SchedulerRegistry, { strict: false });
      await expect(app.init()).rejects.toThrow(
        new DuplicateScheduleError([
          `Ours.${name}: its schedule "${name}" has the same name as the @${name[0]!.toUpperCase()}${name.slice(1)} of Job.run, which @nestjs/schedule runs. Rename one of them with { name: '...' }.`,
        ]),
      );
      expect(hasBooted).toBe(false);
      expect([jobs.getCronJobs().size, jobs.getIntervals(), jobs.getTimeouts()]).toEqual([
        0,
        [],
        [],
      ]);
      expect(jest.getTimerCount()).toBe(0);
    },
  );

  it('[XC10] reports all of them at once', async () => {
    const { app } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Ours, ...CLASHES.map(([, decorator]) => jobClass(Scope.DEFAULT, decorator, run))],
    });
    await expect(app.init()).rejects.toMatchObject({ problems: { length: 3 } });
  });

  it('[XC10] stops start-up for a job of an instance that a factory made', async () => {
    const Job = jobClass(Scope.DEFAULT, Cron('* * * * * *', { name: 'cron' }), run);
    const { app } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Ours, { provide: 'JOB', useFactory: () => new Job() }],
    });
    await expect(app.init()).rejects.toThrow(
      `Ours.cron: its schedule "cron" has the same name as the @Cron of ${Job.name}.run, which @nestjs/schedule runs. Rename one of them with { name: '...' }.`,
    );
  });

  it.each<[string, string, TestAppOptions]>([
    [
      'a job of a kind that ScheduleModule.forRoot() disables',
      'interval',
      {
        imports: [ScheduleModule.forRoot({ intervals: false })],
        providers: [jobClass(Scope.DEFAULT, Interval('interval', 1_000), run)],
        options: { overrides: { interval: { disabled: false } } },
      },
    ],
    [
      'a cron, if ScheduleModule.forRoot() disables those',
      'cron',
      {
        imports: [ScheduleModule.forRoot({ cronJobs: false })],
        providers: [jobClass(Scope.DEFAULT, Cron('* * * * * *', { name: 'cron' }), run)],
        options: { overrides: { cron: { disabled: false } } },
      },
    ],
    [
      'a job that Nest skips, because its class is request-scoped',
      'cron',
      {
        providers: [jobClass(Scope.REQUEST, Cron('* * * * * *', { name: 'cron' }), run)],
        options: { scopeValidation: 'warn' },
      },
    ],
    [
      'a job of another kind',
      'timeout',
      { providers: [jobClass(Scope.DEFAULT, Interval('timeout', 60_000), run)] },
    ],
    [
      'a job without a name',
      'cron',
      { providers: [jobClass(Scope.DEFAULT, Cron('@yearly'), run)] },
    ],
  ])('[XC10] starts beside %s', async (_, name, { providers = [], ...options }) => {
    const { app } = await startApp({
      imports: [ScheduleModule.forRoot()],
      ...options,
      providers: [Ours, ...providers, boots],
    });
    expect(hasBooted).toBe(true);
    const jobs = app.get(SchedulerRegistry, { strict: false });
    expect([...jobs.getCronJobs().keys(), ...jobs.getIntervals(), ...jobs.getTimeouts()]).toContain(
      name,
    );
    expect(await runsOf(name)).toBe(name === 'timeout' ? 1 : 3);
    expect(ran).not.toContain('theirs');
  });

  it('[XC10] starts with a job that is adopted', async () => {
    let isActive: unknown;
    await startApp({
      imports: [ScheduleModule.forRoot()],
      providers: [
        jobClass(Scope.REQUEST, Cron('* * * * * *', { name: 'adopted' }), run),
        booting((jobs) => (isActive = jobs.getCronJob('adopted').isActive)),
      ],
      options: { adoptNestSchedules: true },
    });
    expect(isActive).toBe(true);
    expect(await runsOf('theirs')).toBe(3);
  });

  it('starts in a second init() if a hook of the application has failed in the first', async () => {
    let isDown = true;
    const boot = (): void => {
      if (isDown) throw new Error('the database is down');
    };
    const { app } = await compileApp({
      imports: [ScheduleModule.forRoot()],
      providers: [Ours, booting(boot)],
    });
    await expect(app.init()).rejects.toThrow('the database is down');
    isDown = false;
    await app.init();
    const jobs = app.get(SchedulerRegistry, { strict: false });
    expect([...jobs.getCronJobs().keys()]).toEqual(['cron', 'disabled']);
    expect(await runsOf('cron')).toBe(3);
    jobs.deleteInterval('interval');
    expect(await runsOf('interval')).toBe(3);
  });
});
