import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type INestApplicationContext,
  type ModuleMetadata,
} from '@nestjs/common';
import { NestFactory, REQUEST } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import {
  BackgroundWorker,
  inMemoryQueue,
  InjectTick,
  inspectScopes,
  InvalidOptionsError,
  ScopedConsumer,
  ScopedCron,
  ScopedInterval,
  ScopedTimeout,
  ScopedWorker,
  ScopedWorkerError,
  ScopedWorkerModule,
  type InspectedProvider,
  type InspectedSchedule,
  type InspectedWorker,
  type ScopedWorkerModuleOptions,
  type ScopeInspection,
} from '../../lib/index.js';
import {
  closeApps,
  compileApp,
  RecordingLogger,
  startApp,
  type TestAppOptions,
} from '../support/app.js';
import { NOON, useFakeClock } from '../support/fake-clock.js';
import { OnDemand, probes, RequestScoped, Transient } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

const opened: INestApplicationContext[] = [];

async function preview(metadata: ModuleMetadata, options?: ScopedWorkerModuleOptions) {
  @Module({
    ...metadata,
    imports: [ScopedWorkerModule.forRoot(options), ...(metadata.imports ?? [])],
  })
  class AppModule {}
  return previewOf(AppModule);
}

async function previewOf(module: Parameters<typeof NestFactory.createApplicationContext>[0]) {
  const app = await NestFactory.createApplicationContext(module, { preview: true, logger: false });
  opened.push(app);
  return app;
}

async function compiled(metadata: ModuleMetadata) {
  const app = await Test.createTestingModule(metadata).setLogger(new RecordingLogger()).compile();
  opened.push(app);
  return app;
}

afterEach(async () => {
  await closeApps();
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

/** What is found of the classes of one test; other tests of the file leave workers behind that nobody provides. */
function findingsOf({ findings }: ScopeInspection): string[] {
  return findings
    .filter(({ kind }) => kind !== 'worker-not-provided' && kind !== 'scope-not-needed')
    .map(({ kind, subject }) => `${kind} ${subject}`);
}

/** The messages for which start-up stops. */
function errorsOf(findings: ScopeInspection['findings']): string[] {
  return findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);
}

function schedule(inspection: ScopeInspection, name: string): InspectedSchedule {
  return inspection.schedules.find((one) => one.name === name)!;
}

/** A tree as lines, indented by depth. */
function lines({ name, lifetime, isRepeated, dependencies }: InspectedProvider): string[] {
  const own = `${name} ${lifetime}${isRepeated ? ', again' : ''}`;
  return [own, ...dependencies.flatMap((next) => lines(next).map((line) => `  ${line}`))];
}

const only = ({ workers }: ScopeInspection): InspectedWorker => {
  expect(workers).toHaveLength(1);
  return workers[0]!;
};

const from = NOON;

describe('inspectScopes', () => {
  describe('of an application in any state', () => {
    const shop = (): TestAppOptions => {
      @RequestScoped()
      class Session {
        async [Symbol.asyncDispose]() {}
        onScopeCommit() {}
      }
      @Injectable()
      class Repo {
        constructor(@Inject(Session) readonly session: unknown) {}
        onModuleDestroy() {}
      }
      @Injectable()
      class Clock {}
      @ScopedWorker()
      class Report {
        constructor(
          @Inject(Repo) readonly repo: unknown,
          @Inject(Clock) readonly clock: unknown,
          @Inject(Session) readonly session: unknown,
        ) {}

        @ScopedCron('0 0 6 * * *', { timeZone: 'Europe/Berlin' })
        send() {}

        @ScopedInterval(60_000, { disabled: true })
        poll() {}
      }
      return { providers: [Session, Repo, Clock, Report] };
    };
    const withoutOthers = ({ findings, ...rest }: ScopeInspection) => ({
      ...rest,
      findings: findings.filter(({ kind }) => kind !== 'worker-not-provided'),
    });

    it('is fit for a snapshot', async () => {
      const { app } = await startApp(shop());
      const { schedules, workers } = inspectScopes(app, { from });
      const shown = {
        due: schedules.map(({ name, due, timeZone, state, nextRuns }) =>
          [name, due, timeZone, state, ...nextRuns.slice(0, 2)].join(' | '),
        ),
        tree: lines(workers[0]!.tree),
        disposal: workers[0]!.disposal,
      };
      expect(shown).toMatchInlineSnapshot(`
        {
          "disposal": [
            "Repo.onModuleDestroy",
            "Session.[Symbol.asyncDispose]",
          ],
          "due": [
            "Report.send | 0 0 6 * * * | Europe/Berlin | active | 2026-01-16T05:00:00.000Z | 2026-01-17T05:00:00.000Z",
            "Report.poll | every 60000 ms |  | disabled",
          ],
          "tree": [
            "Report request",
            "  Repo bubbled",
            "    Session request",
            "  Clock singleton",
            "  Session request, again",
          ],
        }
      `);
    });

    it('is the same compiled, in preview, started and closed', async () => {
      const given = shop();
      const { app } = await compileApp(given);
      const before = withoutOthers(inspectScopes(app, { from }));
      const shown = withoutOthers(inspectScopes(await preview(given), { from }));
      await app.init();
      const after = withoutOthers(inspectScopes(app, { from }));
      await app.close();
      const closed = withoutOthers(inspectScopes(app, { from }));
      const named = ({ counts: _counts, ...rest }: ReturnType<typeof withoutOthers>) =>
        JSON.stringify(rest).replaceAll('RootTestModule', 'AppModule');
      expect(after).toEqual(before);
      expect(closed).toEqual(before);
      expect(named(shown)).toBe(named(before));
      expect(shown.counts).toEqual(before.counts);
    });

    it('is plain data: equal when it is asked twice, and after JSON', async () => {
      const { app } = await startApp(shop());
      const inspection = inspectScopes(app, { from });
      expect(inspectScopes(app, { from })).toEqual(inspection);
      expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
      expect(structuredClone(inspection)).toEqual(inspection);
      const strange: unknown[] = [];
      const visit = (value: unknown): void => {
        const isObject = typeof value === 'object' && value !== null;
        const isPlain = isObject
          ? [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value))
          : ['string', 'number', 'boolean', 'undefined'].includes(typeof value);
        if (!isPlain) strange.push(value);
        if (isObject) Object.values(value).forEach(visit);
      };
      visit(inspection);
      expect(strange).toEqual([]);
      expect(JSON.stringify(inspection)).not.toContain('"token"');
    });

    it('says when it is due from now on, unless the caller says from when', async () => {
      const { app } = await startApp(shop());
      const [first] = schedule(inspectScopes(app), 'Report.send').nextRuns;
      const until = Date.parse(first!) - Date.now();
      expect(until).toBeGreaterThan(0);
      expect(until).toBeLessThanOrEqual(25 * 3_600_000);
    });

    it('leaves no trace: it arms no timer, listens to nothing and builds nothing', async () => {
      const { journal, Probe } = probes();
      const calls: string[] = [];
      @RequestScoped()
      class Deep extends Probe {}
      @ScopedWorker()
      class Quiet extends Probe {
        constructor(@Inject(Deep) readonly deep: Deep) {
          super();
        }

        @ScopedCron({ inject: [], useFactory: () => (calls.push('cron'), '@daily') })
        run() {}
      }
      const { app } = await compileApp({
        providers: [
          Deep,
          Quiet,
          { provide: 'SCOPED', scope: Scope.REQUEST, useFactory: () => calls.push('factory') },
        ],
      });
      const timers = [jest.spyOn(globalThis, 'setTimeout'), jest.spyOn(globalThis, 'setInterval')];
      const listening = jest.spyOn(EventEmitter.prototype, 'on');
      const aborting = jest.spyOn(EventTarget.prototype, 'addEventListener');
      const spies = [...timers, listening, aborting];
      for (const state of ['compiled', 'started']) {
        if (state === 'started') await app.init();
        const built = [...journal.lines];
        const called = [...calls];
        spies.forEach((spy) => spy.mockClear());
        inspectScopes(app);
        expect(spies.map((spy) => spy.mock.calls)).toEqual([[], [], [], []]);
        expect([journal.lines, calls]).toEqual([built, called]);
      }
      spies.forEach((spy) => spy.mockRestore());
      expect(journal.lines).toEqual([]);
    });
  });

  describe('of an application in preview mode', () => {
    it('constructs nothing and calls no factory', async () => {
      const built: string[] = [];
      @Injectable()
      class Pool {
        constructor() {
          built.push('Pool');
        }
      }
      @ScopedWorker()
      class Worker {
        constructor(@Inject(Pool) readonly pool: Pool) {
          built.push('Worker');
        }

        @OnDemand()
        run() {}
      }
      const app = await preview({
        providers: [Pool, Worker, { provide: 'F', useFactory: () => built.push('factory') }],
      });
      expect(lines(only(inspectScopes(app)).tree)).toEqual(['Worker request', '  Pool singleton']);
      expect(built).toEqual([]);
    });

    it('has the options of forRoot()', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 0 * * * *')
        run() {}

        @ScopedInterval(1_000)
        poll() {}
      }
      const app = await preview(
        { providers: [Worker] },
        {
          defaults: { timeZone: 'UTC' },
          overrides: { 'Worker.run': { cron: '@daily' }, 'Worker.poll': { disabled: true } },
        },
      );
      const inspection = inspectScopes(app, { from });
      expect(inspection.notes).toEqual([]);
      expect(schedule(inspection, 'Worker.run')).toMatchObject({ due: '@daily', timeZone: 'UTC' });
      expect(schedule(inspection, 'Worker.poll')).toMatchObject({
        state: 'disabled',
        runsOnStart: false,
        nextRuns: [],
      });
    });

    it('says that the options of forRootAsync() are not known, and shows the defaults', async () => {
      let calls = 0;
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 0 * * * *')
        run() {}
      }
      @Module({
        imports: [
          ScopedWorkerModule.forRootAsync({
            useFactory: () => {
              calls += 1;
              return { overrides: { 'Worker.run': { cron: '-' } } };
            },
          }),
        ],
        providers: [Worker],
      })
      class AppModule {}
      const inspection = inspectScopes(await previewOf(AppModule), { from });
      expect(inspection.notes).toEqual([
        'The options come from ScopedWorkerModule.forRootAsync(), which the inspector does not call. It uses the defaults, so findings that allowFindings or adoptNestSchedules would remove are shown.',
      ]);
      expect(schedule(inspection, 'Worker.run').state).toBe('active');
      expect(calls).toBe(0);
    });

    it('takes the module without forRoot() for what it is', async () => {
      @ScopedWorker()
      class Worker {
        @OnDemand()
        run() {}
      }
      @Module({ imports: [ScopedWorkerModule], providers: [Worker] })
      class AppModule {}
      const inspection = inspectScopes(await previewOf(AppModule));
      expect(inspection.notes).toEqual([]);
      expect(only(inspection).handlers).toEqual(['Worker.run']);
    });

    describe('that imports ScopedWorkerModule as start-up refuses it', () => {
      const errorsWith = async (imports: ModuleMetadata['imports']) => {
        @Module({ imports: imports! })
        class AppModule {}
        const start = NestFactory.createApplicationContext(AppModule, {
          logger: false,
          abortOnError: false,
        });
        const started = await start.then(
          (app) => void opened.push(app),
          (error: unknown) => (error as ScopedWorkerError).message,
        );
        const { findings, notes } = inspectScopes(await previewOf(AppModule));
        return { started, inspected: errorsOf(findings), notes };
      };
      const five = ScopedWorkerModule.forRoot({ drainTimeoutMs: 5 });

      const TWICE = /imported more than once with different options/;
      const scoped = ScopedWorkerModule.forRootAsync({
        inject: [REQUEST],
        useFactory: () => ({}),
      });

      it.each<[string, ModuleMetadata['imports'], RegExp]>([
        ['twice with different options', [five, ScopedWorkerModule.forRoot()], TWICE],
        ['once with and once without options', [five, ScopedWorkerModule], TWICE],
        ['with null', [ScopedWorkerModule.forRoot(null as never)], /take an options object/],
        ['with options that Nest never creates', [scoped], /depends on a request-scoped provider/],
      ])('[C13, D24] reports it: %s', async (_, imports, reason) => {
        const { started, inspected, notes } = await errorsWith(imports);
        expect(started).toMatch(reason);
        expect(inspected).toEqual([started]);
        expect(notes).toEqual([]);
      });

      it('[D24] reports nothing if the options are the same, or if it cannot know them', async () => {
        const same = ScopedWorkerModule.forRoot({ drainTimeoutMs: 5 });
        const unknown = ScopedWorkerModule.forRootAsync({
          useFactory: () => ({ drainTimeoutMs: 5 }),
        });
        for (const imports of [
          [five, same],
          [unknown, five],
        ])
          expect(await errorsWith(imports)).toEqual({
            started: undefined,
            inspected: [],
            notes: [],
          });
      });
    });

    it('works with the preview of a testing module too', async () => {
      @ScopedWorker()
      class Worker {
        @OnDemand()
        run() {}
      }
      const app = await Test.createTestingModule({
        imports: [ScopedWorkerModule.forRoot({ defaults: { disabled: true } })],
        providers: [Worker],
      })
        .setLogger(new RecordingLogger())
        .compile({ preview: true });
      const inspection = inspectScopes(app, { from });
      expect(only(inspection).handlers).toEqual(['Worker.run']);
      expect(schedule(inspection, 'Worker.run').state).toBe('disabled');
    });

    it('names background workers and finds nothing wrong with them', async () => {
      @Injectable()
      class Sync extends BackgroundWorker {
        async execute() {}
      }
      const inspection = inspectScopes(await preview({ providers: [Sync] }));
      expect(inspection.background).toEqual(['Sync']);
      expect(findingsOf(inspection)).toEqual([]);
    });
  });

  describe('of an application whose start-up was refused', () => {
    it('has the findings for which it was refused', async () => {
      @Injectable()
      class Plain {
        @OnDemand()
        unmarked() {}
      }
      @ScopedWorker()
      class Worker {
        @ScopedCron('nonsense')
        run() {}
      }
      const { app } = await compileApp({ providers: [Plain, Worker] });
      const error = await app.init().then(
        () => undefined,
        (thrown: unknown) => thrown as ScopedWorkerError,
      );
      expect(error).toBeInstanceOf(ScopedWorkerError);
      const inspection = inspectScopes(app, { from });
      expect(findingsOf(inspection)).toEqual([
        'invalid-schedule Plain.unmarked',
        'invalid-schedule Worker.run',
      ]);
      const refused = inspection.findings.filter(({ kind }) => kind === 'invalid-schedule');
      expect(refused.filter(({ message }) => !error!.message.includes(message))).toEqual([]);
    });
  });

  describe('of an application without ScopedWorkerModule', () => {
    it('says so, and shows which jobs of @nestjs/schedule Nest skips', async () => {
      @RequestScoped()
      class Session {}
      @Injectable()
      class Skipped {
        constructor(@Inject(Session) readonly session: Session) {}

        @Cron('0 0 * * * *')
        run() {}
      }
      @Injectable()
      class Fine {
        @Cron('0 0 0 1 1 *')
        run() {}
      }
      @Module({ imports: [ScheduleModule.forRoot()], providers: [Session, Skipped, Fine] })
      class JobsModule {}
      const inspection = inspectScopes(await previewOf(JobsModule), { from });
      expect(inspection).toMatchObject({ schedules: [], workers: [], background: [], allowed: [] });
      expect(inspection.notes).toEqual([
        'ScopedWorkerModule is not imported: no @ScopedWorker() or BackgroundWorker runs in this application.',
      ]);
      expect(findingsOf(inspection)).toEqual(['nest-schedule-skipped Skipped.run']);
    });

    it('says of each worker that it does not run, and shows no runs; with the module neither', async () => {
      @ScopedWorker()
      class Forlorn {
        @ScopedCron('0 0 * * * *')
        run() {}
      }
      @Module({ providers: [Forlorn] })
      class WithoutModule {}
      @Module({ imports: [ScopedWorkerModule.forRoot()], providers: [Forlorn] })
      class WithModule {}
      const without = inspectScopes(await previewOf(WithoutModule), { from });
      const withIt = inspectScopes(await previewOf(WithModule), { from });

      expect(findingsOf(without)).toContain('module-not-imported Forlorn');
      expect(only(without).name).toBe('Forlorn');
      expect(without.schedules.map(({ nextRuns }) => nextRuns)).toEqual([[]]);
      expect(findingsOf(withIt)).toEqual([]);
      expect(withIt.schedules[0]!.nextRuns).toHaveLength(5);
    });

    it('says of each background worker that it never runs', async () => {
      @Injectable()
      class Sync extends BackgroundWorker {
        async execute() {}
      }
      @Module({ providers: [Sync] })
      class WithoutModule {}
      const { background, findings } = inspectScopes(await previewOf(WithoutModule));

      expect(background).toEqual(['Sync']);
      expect(findings).toMatchObject([
        {
          number: 'SW108',
          severity: 'error',
          subject: 'Sync',
          message:
            'Sync is a BackgroundWorker, but ScopedWorkerModule is not imported, so it never runs. Import ScopedWorkerModule.forRoot() in the root module.',
        },
      ]);
    });

    it('works as well on one that was only compiled', async () => {
      const inspection = inspectScopes(await compiled({ providers: [] }));
      expect(inspection).toMatchObject({ schedules: [], workers: [] });
      expect(inspection.counts.modules).toBe(2);
    });
  });

  describe('options', () => {
    it('runOnStart shows, unless the schedule is off', async () => {
      @ScopedWorker()
      class Starter {
        @ScopedCron('0 0 * * * *', { runOnStart: true })
        on() {}

        @ScopedCron('0 0 * * * *', { runOnStart: true, disabled: true })
        off() {}

        @ScopedCron('0 0 * * * *')
        later() {}
      }
      const { schedules } = inspectScopes(await compiled({ providers: [Starter] }));
      expect(schedules.map(({ runsOnStart }) => runsOnStart)).toEqual([true, false, false]);
    });

    it('[I15] say whether there is a tick for each item of a list', async () => {
      @ScopedWorker()
      class Biller {
        @ScopedCron('0 0 * * * *', { forEach: { useFactory: () => ['acme'] } })
        each() {}

        @ScopedCron('0 0 * * * *')
        once() {}
      }
      const { schedules } = inspectScopes(await compiled({ providers: [Biller] }));
      expect(schedules.map(({ runsForEachItem }) => runsForEachItem)).toEqual([true, false]);
    });

    it('of forRootAsync() count in an application that has them', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 0 * * * *')
        run() {}
      }
      const app = await compiled({
        imports: [
          ScopedWorkerModule.forRootAsync({
            useFactory: async () => ({ overrides: { 'Worker.run': { cron: '-' } } }),
          }),
        ],
        providers: [Worker],
      });
      const before = inspectScopes(app, { from });
      expect(before.notes).toEqual([]);
      expect(schedule(before, 'Worker.run')).toMatchObject({ state: 'disabled', nextRuns: [] });
      await app.init();
      expect(schedule(inspectScopes(app, { from }), 'Worker.run')).toEqual(
        schedule(before, 'Worker.run'),
      );
    });

    it('move an allowed finding to its reason', async () => {
      @Transient()
      class Captured {
        onModuleDestroy() {}
      }
      @Injectable()
      class Holder {
        constructor(@Inject(Captured) readonly captured: Captured) {}
      }
      const reason = 'ends with the application, and is meant to';
      const findings = async (options: ScopedWorkerModuleOptions) => {
        const { app } = await compileApp({ options, providers: [Captured, Holder] });
        return inspectScopes(app);
      };
      const without = await findings({});
      expect(findingsOf(without).map((line) => line.split(' ')[0])).toEqual(['transient-captured']);
      const [{ subject } = { subject: '' }] = without.findings.filter(
        ({ kind }) => kind === 'transient-captured',
      );
      const allowed = await findings({
        allowFindings: [{ finding: 'transient-captured', token: subject, reason }],
      });
      expect(findingsOf(allowed)).toEqual([]);
      expect(allowed.allowed).toMatchObject([{ finding: { subject }, reason }]);
      expect(allowed.allowed[0]!.finding).not.toHaveProperty('token');
    });

    it('adopt what Nest skips', async () => {
      @RequestScoped()
      class Job {
        @Cron('0 0 * * * *', { timeZone: 'UTC' })
        run() {}
      }
      const { app } = await startApp({
        imports: [ScheduleModule.forRoot()],
        options: { adoptNestSchedules: true },
        providers: [Job],
      });
      const inspection = inspectScopes(app, { from });
      expect(only(inspection)).toMatchObject({ name: 'Job', handlers: ['Job.run'] });
      expect(schedule(inspection, 'Job.run')).toMatchObject({
        due: '0 0 * * * *',
        timeZone: 'UTC',
        state: 'active',
      });
    });
  });

  describe('schedules', () => {
    beforeEach(() => useFakeClock());
    afterEach(() => {
      jest.useRealTimers();
    });

    const HOUR = 3_600_000;
    const at = (ms: number): string => new Date(NOON.getTime() + ms).toISOString();

    it('are written as they are due', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 30 9 * * MON-FRI', { timeZone: 'Europe/Berlin' })
        zoned() {}

        @ScopedCron('0 30 9 * * *', { utcOffset: -90 })
        offset() {}

        @ScopedInterval(5_000)
        poll() {}

        @ScopedInterval(5_000, { initialDelayMs: 700 })
        delayed() {}

        @ScopedTimeout(5_000)
        once() {}

        @ScopedCron('-')
        off() {}
      }
      const { app } = await startApp({ providers: [Worker] });
      const inspection = inspectScopes(app, { from });
      const first = ({ due, timeZone, state, nextRuns }: InspectedSchedule) => [
        due,
        timeZone,
        state,
        nextRuns.length,
        nextRuns[0],
      ];
      expect(inspection.schedules.map(first)).toEqual([
        ['0 30 9 * * MON-FRI', 'Europe/Berlin', 'active', 5, '2026-01-16T08:30:00.000Z'],
        ['0 30 9 * * *', 'UTC-01:30', 'active', 5, '2026-01-16T11:00:00.000Z'],
        ['every 5000 ms', undefined, 'active', 5, at(5_000)],
        ['every 5000 ms', undefined, 'active', 5, at(700)],
        ['5000 ms after the start', undefined, 'active', 1, at(5_000)],
        ['-', expect.any(String), 'disabled', 0, undefined],
      ]);
    });

    it('show only the first run of an interval with fixedDelay, and list a handler with two schedules once', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(5_000, { name: 'slow', fixedDelay: true })
        @ScopedInterval(9_000, { name: 'steady' })
        poll() {}
      }
      const { app } = await startApp({ providers: [Worker] });
      const { schedules, workers } = inspectScopes(app, { from });
      const runs = schedules.map(({ name, due, nextRuns }) => [name, [due, nextRuns.length]]);
      expect(Object.fromEntries(runs)).toEqual({
        slow: ['5000 ms after each run', 1],
        steady: ['every 9000 ms', 5],
      });
      expect(workers.map(({ handlers }) => handlers)).toEqual([['Worker.poll']]);
    });

    it('are read in the zone of the process when nothing else is said, and name it', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('@daily')
        run() {}
      }
      const { app } = await startApp({ providers: [Worker] });
      expect(schedule(inspectScopes(app), 'Worker.run').timeZone).toBe(
        Intl.DateTimeFormat().resolvedOptions().timeZone,
      );
    });

    it('are next due when the engine fires them', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 */20 * * * *', { timeZone: 'Asia/Kolkata' })
        cron() {}

        @ScopedCron('0 0 6 * * *', { utcOffset: 330, initialDelayMs: 24 * HOUR })
        delayedCron() {}

        @ScopedInterval(90_000)
        poll() {}

        @ScopedInterval(90_000, { initialDelayMs: 1_234 })
        delayed() {}

        @ScopedTimeout(45_000, { initialDelayMs: 5_000 })
        once() {}
      }
      const { app, registry } = await startApp({ providers: [Worker] });
      const says = inspectScopes(app, { from: NOON }).schedules;
      expect(says.map(({ name, nextRuns }) => [name, nextRuns[0]])).toEqual(
        registry.list().map(({ name, nextRun }) => [name, nextRun!.toISOString()]),
      );
    });

    it.each([
      ['spring', '0 30 2 * * *', '2026-03-27T12:00:00.000Z'],
      ['autumn', '0 30 2 * * *', '2026-10-23T12:00:00.000Z'],
      ['autumn', '0 0 * * * *', '2026-10-24T23:30:00.000Z'],
      ['spring', '0 0 3 * * *', '2026-03-27T12:00:00.000Z'],
    ])(
      'are due over the change of %s (%s) when the engine fires them, one after the other',
      async (_season, expression, start) => {
        jest.useRealTimers();
        useFakeClock(new Date(start));
        @ScopedWorker()
        class Worker {
          @ScopedCron(expression, { timeZone: 'Europe/Berlin' })
          run() {}
        }
        const { app, registry, events } = await startApp({ providers: [Worker] });
        const { nextRuns } = schedule(inspectScopes(app, { from: new Date(start) }), 'Worker.run');
        const fired: string[] = [];
        events.on('tick:started', ({ scheduledAt }) => fired.push(scheduledAt.toISOString()));
        for (let round = 0; round < 5; round += 1) {
          const due = registry.get('Worker.run').nextRun!.getTime();
          // Short of the slot first: a timer of more than a day is armed again before it ends.
          await jest.advanceTimersByTimeAsync(due - Date.now());
        }
        expect(nextRuns).toEqual(fired);
        expect(nextRuns).toHaveLength(5);
      },
    );

    it('have fewer runs when there are no more, or never any', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedCron('0 0 0 30 2 *')
        never() {}
      }
      @RequestScoped()
      class Job {
        @Cron(new Date(NOON.getTime() + HOUR), { name: 'date' })
        once() {}
      }
      const { app } = await startApp({
        imports: [ScheduleModule.forRoot()],
        options: { adoptNestSchedules: true },
        providers: [Worker, Job],
      });
      const inspection = inspectScopes(app, { from });
      expect(schedule(inspection, 'Worker.never').nextRuns).toEqual([]);
      expect(schedule(inspection, 'date')).toMatchObject({
        due: `once, at ${at(HOUR)}`,
        nextRuns: [at(HOUR)],
      });
      const late = inspectScopes(app, { from: new Date(NOON.getTime() + 2 * HOUR) });
      expect(schedule(late, 'date').nextRuns).toEqual([]);
    });

    it('are those of this moment: added, rescheduled and removed at run time', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000)
        poll() {}

        @ScopedInterval(2_000)
        gone() {}

        plain() {}
      }
      const { app, registry } = await startApp({ providers: [Worker] });
      registry.add({ name: 'late', everyMs: 3_000, handler: () => undefined });
      registry.reschedule('Worker.poll', { everyMs: 7_000 });
      registry.remove('Worker.gone');
      const inspection = inspectScopes(app, { from });
      expect(inspection.schedules.map(({ name, due }) => [name, due])).toEqual([
        ['Worker.poll', 'every 7000 ms'],
        ['late', 'every 3000 ms'],
      ]);
    });

    it('that are paused do not count as active', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval(1_000)
        poll() {}
      }
      const { app, registry } = await startApp({ providers: [Worker] });
      registry.pause('Worker.poll');
      expect(registry.get('Worker.poll').state).toBe('paused');
      expect(schedule(inspectScopes(app, { from }), 'Worker.poll').state).not.toBe('active');
    });

    it('that providers decide on are undecided before start-up, and decided after it', async () => {
      let asked = 0;
      @ScopedWorker()
      class Worker {
        @ScopedCron(
          { inject: ['EXPRESSION'], useFactory: (one: string) => ((asked += 1), one) },
          { timeZone: 'Europe/Berlin' },
        )
        cron() {}

        @ScopedInterval({ inject: [], useFactory: () => '-' as const })
        off() {}
      }
      const { app } = await compileApp({
        providers: [Worker, { provide: 'EXPRESSION', useValue: '@daily' }],
      });
      const before = inspectScopes(app, { from });
      expect(schedule(before, 'Worker.cron')).toEqual({
        name: 'Worker.cron',
        handler: 'Worker.cron',
        kind: 'cron',
        due: 'decided by a provider at start-up',
        timeZone: 'Europe/Berlin',
        state: 'undecided',
        runsOnStart: false,
        runsForEachItem: false,
        nextRuns: [],
      });
      expect(asked).toBe(0);
      await app.init();
      const after = inspectScopes(app, { from });
      expect(schedule(after, 'Worker.cron')).toMatchObject({ due: '@daily', state: 'active' });
      expect(schedule(after, 'Worker.off')).toMatchObject({
        due: 'never',
        state: 'disabled',
        runsOnStart: false,
        nextRuns: [],
      });
      expect(asked).toBe(1);
    });

    it('that an override decides on are decided before start-up', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedInterval({ inject: ['NOBODY'], useFactory: (one: number) => one })
        poll() {}
      }
      const inspection = inspectScopes(
        await preview({ providers: [Worker] }, { overrides: { 'Worker.poll': { everyMs: 50 } } }),
        { from },
      );
      expect(schedule(inspection, 'Worker.poll')).toMatchObject({
        due: 'every 50 ms',
        state: 'active',
      });
    });

    it.each<[string, ScopedWorkerModuleOptions]>([
      [
        'an override',
        { overrides: { 'Worker.take': { disabled: true }, 'Worker.cron': { disabled: true } } },
      ],
      ['the defaults', { defaults: { disabled: true } }],
    ])(
      'that %s switches off are off before start-up, no matter what decides on them',
      async (_who, options) => {
        @ScopedWorker()
        class Worker {
          @ScopedConsumer('ORDERS')
          take() {}

          @ScopedCron({ inject: [], useFactory: () => '@daily' })
          cron() {}
        }
        const inspection = inspectScopes(
          await preview(
            { providers: [Worker, { provide: 'ORDERS', useValue: inMemoryQueue() }] },
            options,
          ),
        );
        expect(inspection.schedules.map(({ name, state }) => [name, state])).toEqual([
          ['Worker.take', 'disabled'],
          ['Worker.cron', 'disabled'],
        ]);
      },
    );

    it('are refused before start-up for the options that are refused at start-up', async () => {
      @ScopedWorker()
      class Worker {
        @ScopedConsumer('ORDERS', { concurrency: -3 })
        take() {}

        @ScopedCron({ inject: [], useFactory: () => '@daily' }, { timeoutMs: -1 })
        cron() {}
      }
      const given = { providers: [Worker, { provide: 'ORDERS', useValue: inMemoryQueue() }] };
      const { app } = await compileApp(given);
      await expect(app.init()).rejects.toThrow('Worker.take');
      expect(findingsOf(inspectScopes(await preview(given)))).toEqual([
        'invalid-schedule Worker.take',
        'invalid-schedule Worker.cron',
      ]);
    });

    it.each<[string, MethodDecorator]>([
      ['a source that no module provides', ScopedConsumer('NOWHERE')],
      ['a request-scoped source', ScopedConsumer('SCOPED')],
      ['a source whose token is undefined', ScopedConsumer(undefined as never)],
      [
        'a name from a provider that no module provides',
        ScopedCron('@daily', { name: { inject: ['NOWHERE'], useFactory: () => 'name' } }),
      ],
      [
        'an expression from a provider that no module provides',
        ScopedCron({ inject: ['NOWHERE'], useFactory: () => '@daily' }),
      ],
    ])('[XC11] are refused before start-up, as at start-up, for %s', async (_, decorator) => {
      class Worker {
        run() {}
      }
      const run = Object.getOwnPropertyDescriptor(Worker.prototype, 'run')!;
      decorator(Worker.prototype, 'run', run);
      ScopedWorker()(Worker);
      const scoped = { provide: 'SCOPED', scope: Scope.REQUEST, useFactory: inMemoryQueue };
      const given = { providers: [Worker, scoped] };
      const { message } = await refusal(given);
      const { findings } = inspectScopes(await preview(given));
      expect(errorsOf(findings)).toEqual([message]);
    });

    it('of consumers name their source, and have no runs', async () => {
      const ORDERS = Symbol('ORDERS');
      @ScopedWorker()
      class Worker {
        @ScopedConsumer(ORDERS)
        take() {}

        @ScopedConsumer(ORDERS, { disabled: true })
        rest() {}
      }
      const given = { providers: [Worker, { provide: ORDERS, useValue: inMemoryQueue() }] };
      const { app } = await compileApp(given);
      const before = inspectScopes(app).schedules;
      await app.init();
      expect(inspectScopes(app).schedules).toEqual(before);
      expect(before).toEqual([
        {
          name: 'Worker.take',
          handler: 'Worker.take',
          kind: 'message',
          due: 'each message of ORDERS',
          timeZone: undefined,
          state: 'active',
          runsOnStart: false,
          runsForEachItem: false,
          nextRuns: [],
        },
        expect.objectContaining({ name: 'Worker.rest', state: 'disabled', nextRuns: [] }),
      ]);
    });
  });

  describe('workers', () => {
    const inspect = async (metadata: TestAppOptions) =>
      only(inspectScopes((await startApp(metadata)).app));

    it('say why each provider of their tree lives in the scope', async () => {
      const { Probe } = probes();
      @RequestScoped()
      class Session extends Probe {}
      @Injectable()
      class Repo {
        @Inject(Session) session!: Session;
      }
      @Injectable()
      class Service {
        @Inject(Repo) repo!: Repo;
      }
      @Transient()
      class Logger {}
      @Injectable({ scope: Scope.REQUEST, durable: true })
      class Tenant {}
      @Injectable()
      class Single {}
      @ScopedWorker()
      class Worker {
        @Inject(Service) service!: Service;
        @Inject(Logger) logger!: Logger;
        @Inject(Tenant) tenant!: Tenant;
        @Inject(Single) single!: Single;
        @Inject(Session) session!: Session;
        @Inject('VALUE') value!: number;

        @OnDemand()
        run() {}
      }
      const { tree } = await inspect({
        providers: [
          Session,
          Repo,
          Service,
          Logger,
          Tenant,
          Single,
          Worker,
          { provide: 'VALUE', useValue: 1 },
        ],
      });
      const why = (provider: InspectedProvider): string[] => [
        `${provider.name}: ${provider.why}`,
        ...provider.dependencies.flatMap(why),
      ];
      expect(why(tree)).toEqual([
        'Worker: declared request-scoped',
        'Service: because of Repo -> Session',
        'Repo: because of Session',
        'Session: declared request-scoped',
        'Logger: transient: one for each provider that injects it',
        'Tenant: durable: shared by the ticks of one context',
        'Single: shared with the whole application',
        'Session: declared request-scoped',
        'VALUE: shared with the whole application',
      ]);
      expect(lines(tree).at(-2)).toBe('  Session request, again');
      expect(tree.dependencies.map(({ disposer }) => disposer)).toEqual(
        Array.from({ length: 4 }).concat('[Symbol.asyncDispose]', undefined),
      );
    });

    it('show each instance of a transient with what it injects', async () => {
      @Transient()
      class Inner {}
      @Transient()
      class Outer {
        @Inject(Inner) inner!: Inner;
      }
      @RequestScoped()
      class Repo {
        @Inject(Outer) outer!: Outer;
      }
      @ScopedWorker()
      class Worker {
        @Inject(Outer) outer!: Outer;
        @Inject(Repo) repo!: Repo;

        @OnDemand()
        run() {}
      }
      const { tree } = await inspect({ providers: [Inner, Outer, Repo, Worker] });
      expect(lines(tree)).toEqual([
        'Worker request',
        '  Outer transient',
        '    Inner transient',
        '  Repo request',
        '    Outer transient',
        '      Inner transient',
      ]);
    });

    it('come to an end in a circle of forwardRef()', async () => {
      @RequestScoped()
      class Left {
        @Inject('RIGHT') right: unknown;
      }
      const { tree, disposal } = await inspect({
        providers: [
          Left,
          {
            provide: 'RIGHT',
            scope: Scope.REQUEST,
            inject: [{ token: 'NOBODY', optional: true }],
            useFactory: () => ({}),
          },
          worker(Left),
        ],
      });
      expect(lines(tree)).toEqual(['Worker request', '  Left request', '    RIGHT request']);
      expect(disposal).toEqual(['the result of the factory of RIGHT']);
    });

    /** A worker that injects these, and is disposed itself. */
    function worker(...injected: (string | symbol | Function)[]) {
      @ScopedWorker()
      class Worker {
        @OnDemand()
        run() {}
      }
      injected.forEach((token, index) => Inject(token)(Worker.prototype, `at${index}`));
      return Worker;
    }

    /** What the inspector says, and what ticks really dispose: the second, since Nest 11.2 builds the first in another order. */
    async function disposals(
      make: (support: ReturnType<typeof probes>) => TestAppOptions,
    ): Promise<{ says: string[]; does: string[] }> {
      const support = probes();
      const { app, registry } = await startApp(make(support));
      await registry.run('Worker.run');
      support.journal.lines.length = 0;
      await registry.run('Worker.run');
      const says = only(inspectScopes(app)).disposal.map((line) =>
        line.replace('.[Symbol.asyncDispose]', ''),
      );
      return { says, does: support.journal.of('disposed') };
    }

    it('do not count the tick among what is disposed', async () => {
      const { says, does } = await disposals(({ Probe }) => {
        @RequestScoped()
        class Deep extends Probe {
          @InjectTick() tick: unknown;
        }
        return { providers: [Deep, worker(Deep)] };
      });
      expect(does).toEqual(['Deep']);
      expect(says).toEqual(does);
    });

    it('dispose the deeper of two first that are injected side by side', async () => {
      const { says, does } = await disposals(({ Probe }) => {
        @RequestScoped()
        class Deep extends Probe {}
        @RequestScoped()
        class Left extends Probe {
          constructor(@Inject(Deep) readonly deep: Deep) {
            super();
          }
        }
        @RequestScoped()
        class Right extends Probe {}
        @ScopedWorker()
        class Worker {
          constructor(
            @Inject(Left) readonly left: Left,
            @Inject(Right) readonly right: Right,
          ) {}

          @OnDemand()
          run() {}
        }
        return { providers: [Deep, Left, Right, Worker] };
      });
      expect(does).toEqual(['Left', 'Right', 'Deep']);
      expect(says).toEqual(does);
    });

    it('dispose a transient once for each provider that injects it, however often it does', async () => {
      const { says, does } = await disposals(({ Probe }) => {
        @Transient()
        class Passing extends Probe {}
        return { providers: [Passing, worker(Passing, Passing)] };
      });
      expect(does).toEqual(['Passing']);
      expect(says).toEqual(does);
    });

    it('dispose a request-scoped guard before the worker that it guards', async () => {
      const { says, does } = await disposals(({ Probe }) => {
        @RequestScoped()
        class Guard extends Probe {
          canActivate() {
            return true;
          }
        }
        @UseGuards(Guard)
        @ScopedWorker()
        class Worker extends Probe {
          @OnDemand()
          run() {}
        }
        return { providers: [Worker] };
      });
      expect(does).toEqual(['Guard', 'Worker']);
      expect(says).toEqual(does);
    });

    it('name the class of what is disposed, also when it is provided under another token', async () => {
      class Repo {
        onModuleDestroy() {}
      }
      const { disposal } = await inspect({
        providers: [{ provide: 'REPO', useClass: Repo, scope: Scope.REQUEST }, worker('REPO')],
      });
      expect(disposal).toEqual(['Repo.onModuleDestroy']);
    });

    it('appear in the module that builds them', async () => {
      @ScopedWorker()
      class Worker {
        @OnDemand()
        run() {}
      }
      @Module({ providers: [Worker] })
      class FirstModule {}
      @Module({ providers: [Worker] })
      class SecondModule {}
      const { app } = await startApp({ imports: [FirstModule, SecondModule] });
      const inspection = inspectScopes(app);
      expect(only(inspection).module).toBe('FirstModule');
      expect(findingsOf(inspection)).toEqual(['worker-provided-twice Worker']);
    });
  });

  it('counts modules, and the providers in them by lifetime', async () => {
    @RequestScoped()
    class Asked {}
    @Injectable()
    class Bubbled {
      @Inject(Asked) asked!: Asked;
    }
    @Injectable({ scope: Scope.REQUEST, durable: true })
    class Tenant {}
    @Transient()
    class Passing {}
    const countsOf = async (providers: ModuleMetadata['providers']) =>
      inspectScopes(await compiled({ providers: providers! })).counts;
    const empty = await countsOf([]);
    await expect(countsOf([Asked, Bubbled, Tenant, Passing])).resolves.toEqual({
      ...empty,
      request: empty.request + 1,
      bubbled: 1,
      durable: 1,
      transient: empty.transient + 1,
    });
  });

  it('has what was loaded lazily', async () => {
    const { app } = await startApp({ providers: [] });
    const { LazyModuleLoader } = await import('@nestjs/core');
    const before = inspectScopes(app).counts.modules;
    @Module({})
    class LateModule {}
    await app.get(LazyModuleLoader).load(() => LateModule);
    expect(inspectScopes(app).counts.modules).toBe(before + 1);
  });

  describe('when its arguments cannot work', () => {
    const promise = Promise.resolve();

    it.each<[string, unknown, string]>([
      ['text as moment', { from: 'x' }, 'from must be a valid Date, not "x"'],
      ['null as moment', { from: null }, 'from must be a valid Date, not null'],
      ['an invalid Date', { from: new Date('x') }, 'from must be a valid Date, not an invalid one'],
      ['an unknown option', { to: new Date() }, "to isn't an option; the only option is from"],
      ['a number', 5, 'options must be an object such as { from }, not 5'],
      ['a Date', new Date(0), 'write { from: date } instead of a Date'],
      ['null', null, 'options must be an object such as { from }, not null'],
    ])('one sentence refuses %s', async (_, options, words) => {
      const app = await compiled({ providers: [] });
      const inspecting = (): unknown => inspectScopes(app, options as never);
      expect(inspecting).toThrow(InvalidOptionsError);
      expect(inspecting).toThrow(new Error(`inspectScopes(): ${words}.`));
    });

    it.each<[string, unknown, string]>([
      ['undefined', undefined, 'undefined'],
      ['a module', class AppModule {}, 'class AppModule'],
      ['a Map', new Map(), 'an object'],
      ['a promise', promise, 'a promise: await it'],
      ['a builder', Test.createTestingModule({}), 'an object'],
    ])('one sentence refuses %s in place of the application', (_, app, words) => {
      const inspecting = (): unknown => inspectScopes(app as never);
      expect(inspecting).toThrow(InvalidOptionsError);
      expect(inspecting).toThrow(
        new Error(`inspectScopes(): the first argument must be a Nest application, not ${words}.`),
      );
    });

    it('accepts a moment that is left out', async () => {
      const app = await compiled({ providers: [] });
      expect(inspectScopes(app, { from: undefined } as never).schedules).toEqual([]);
    });
  });
});
