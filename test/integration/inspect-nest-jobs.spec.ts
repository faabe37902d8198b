import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Inject,
  Injectable,
  Module,
  Scope,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Cron,
  Interval,
  ScheduleModule,
  SchedulerRegistry,
  Timeout,
  type CronOptions,
} from '@nestjs/schedule';
import {
  inspectScopes,
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerModule,
  type ScopeInspection,
} from '../../lib/index.js';
import type { InspectedNestJob } from '../../lib/inspect/inspection.interface.js';
import { adoptingApp } from '../support/adoption.js';
import { closeApps, startApp } from '../support/app.js';
import { RequestScoped } from '../support/probes.js';

const from = new Date('2026-01-15T12:00:30Z');

@RequestScoped()
class Tenant {}

@Injectable()
class Invoices {
  constructor(readonly tenant: Tenant) {}
}

/** Nest skips it. */
@Injectable()
class Mailer {
  constructor(readonly invoices: Invoices) {}

  @Cron('0 0 * * * *', { timeZone: 'UTC' })
  send(): void {}
}

/** Nest runs it. */
@Injectable()
class Rates {
  @Cron('0 0 3 * * *', { name: 'rates', timeZone: 'Europe/Berlin' })
  load(): void {}

  @Interval(60_000)
  poll(): void {}

  @Timeout(5_000)
  once(): void {}

  @Cron('0 0 0 1 1 *', { disabled: true })
  never(): void {}
}

@Injectable({ scope: Scope.TRANSIENT })
class Stamps {
  @Interval(1_000)
  stamp(): void {}
}

/** As the command loads an application: nothing of it is built. */
async function preview(metadata: ModuleMetadata): Promise<ScopeInspection> {
  @Module(metadata)
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, {
    preview: true,
    logger: false,
  });
  return inspectScopes(app, { from });
}

/** True if Nest, without this library, starts the application. */
async function startsWith(metadata: ModuleMetadata): Promise<boolean> {
  @Module(metadata)
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, {
    abortOnError: false,
    logger: false,
  }).catch(() => undefined);
  await app?.close();
  return app !== undefined;
}

const providers = [Tenant, Invoices, Mailer, Rates];
const fates = ({ nestJobs }: ScopeInspection): string[][] =>
  nestJobs.map(({ handler, fate, status }) => [handler, fate, status]);

const NEEDS_NONE = 'Nest runs it. Rates is a singleton and needs no scope.';
const SKIPPED =
  'Nest skips it, because Mailer depends on Tenant, which is request-scoped (Mailer -> Invoices -> Tenant) (SW106).';

describe('The jobs of @nestjs/schedule in an inspection', () => {
  afterEach(closeApps);

  it('are listed with what becomes of each before anything is moved, and nothing is built', async () => {
    const inspection = await preview({ imports: [ScheduleModule.forRoot()], providers });
    expect(fates(inspection)).toEqual([
      ['Rates.load', 'runs', NEEDS_NONE],
      ['Rates.poll', 'runs', NEEDS_NONE],
      ['Rates.once', 'runs', NEEDS_NONE],
      ['Rates.never', 'disabled', "@Cron has disabled: true, so Nest doesn't run it."],
      ['Mailer.send', 'skipped', SKIPPED],
    ]);
    const [load, poll, once, never, send] = inspection.nestJobs;
    expect(load).toMatchObject({
      name: 'rates',
      module: 'AppModule',
      kind: 'cron',
      due: '0 0 3 * * *',
      timeZone: 'Europe/Berlin',
    });
    expect(load!.nextRuns).toHaveLength(5);
    expect(load!.nextRuns[0]).toBe('2026-01-16T02:00:00.000Z');
    expect(poll).toMatchObject({ due: 'every 60000 ms' });
    expect(poll!.nextRuns[0]).toBe('2026-01-15T12:01:30.000Z');
    expect(once!.nextRuns).toEqual(['2026-01-15T12:00:35.000Z']);
    expect([never!.nextRuns, send!.nextRuns]).toEqual([[], []]);
    expect(inspection.schedules).toEqual([]);
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
  });

  it('are the same on an application that has started', async () => {
    const planned = await preview({ imports: [ScheduleModule.forRoot()], providers });
    const { app } = await startApp({
      imports: [ScheduleModule.forRoot()],
      providers,
      options: { scopeValidation: 'warn' },
    });
    expect(fates(inspectScopes(app, { from }))).toEqual(fates(planned));
  });

  it('have the moments of the schedule that runs them', async () => {
    const { app } = await adoptingApp(
      { providers: [Tenant, Invoices, Mailer] },
      { overrides: { 'Mailer.send': { disabled: true } } },
    );
    expect(inspectScopes(app).nestJobs).toMatchObject([
      {
        fate: 'adopted',
        status: 'Adopted: the schedule Mailer.send is disabled.',
        nextRuns: [],
      },
    ]);
  });

  it('are shown as adopted where adoptNestSchedules is set', async () => {
    const { app } = await adoptingApp({ providers });
    const inspection = inspectScopes(app, { from });
    expect(fates(inspection).at(-1)).toEqual([
      'Mailer.send',
      'adopted',
      'Adopted: the schedule Mailer.send runs it, each tick in its own scope.',
    ]);
    expect(inspection.nestJobs.at(-1)!.nextRuns).toEqual(inspection.schedules[0]!.nextRuns);
  });

  it('are left out where ScheduleModule.forRoot() disables them', async () => {
    const inspection = await preview({
      imports: [ScheduleModule.forRoot({ cronJobs: false })],
      providers,
    });
    expect(inspection.nestJobs.map(({ handler }) => handler)).toEqual(['Rates.poll', 'Rates.once']);
  });

  it('run nowhere without ScheduleModule.forRoot()', async () => {
    const inspection = await preview({ providers });
    expect(inspection.nestJobs.map(({ fate, nextRuns }) => [fate, nextRuns])).toEqual(
      Array.from({ length: 5 }, (_, index) => [index === 4 ? 'skipped' : 'not-run', []]),
    );
    expect(inspection.nestJobs[0]!.status).toBe(
      'Nothing runs it, because ScheduleModule.forRoot() is not imported. Rates is a singleton and needs no scope.',
    );
    expect(inspection.nestJobs[4]!.status).toMatch(
      /^Nothing runs it, and with ScheduleModule\.forRoot\(\) Nest would skip it, because Mailer /,
    );
  });

  it('leave out what ScheduleModule.forRoot() switches off', async () => {
    const imports = [ScheduleModule.forRoot({ cronJobs: false })];
    const { nestJobs } = await preview({ imports, providers });
    expect(nestJobs.map(({ handler }) => handler)).toEqual(['Rates.poll', 'Rates.once']);
  });

  it('name every module in which Nest runs them, and a transient class', async () => {
    @Module({ providers: [Rates] })
    class EuropeModule {}
    @Module({ providers: [Rates] })
    class AsiaModule {}
    const { nestJobs } = await preview({
      imports: [ScheduleModule.forRoot(), EuropeModule, AsiaModule],
      providers: [Stamps],
    });
    expect(nestJobs.map(({ handler, status }) => `${handler}: ${status}`)).toEqual(
      expect.arrayContaining([
        'Rates.poll: Nest runs it, once in each of EuropeModule, AsiaModule. Rates is a singleton and needs no scope.',
        'Stamps.stamp: Nest runs it on an object that was never constructed, because Stamps is transient (SW107).',
      ]),
    );
    expect(nestJobs).toHaveLength(5);
  });

  it('show what is wrong with a decorator that cannot be read', async () => {
    @Injectable()
    class Broken {
      @Cron('not a cron')
      run(): void {}
    }
    const { nestJobs } = await preview({
      imports: [ScheduleModule.forRoot()],
      providers: [Broken],
    });
    expect(nestJobs).toMatchObject([{ fate: 'invalid', nextRuns: [] }]);
    expect(nestJobs[0]!.status).toMatch(
      /^Broken\.run: the cron expression of @Cron cannot be read: /,
    );
  });

  describe('that Nest runs are invalid if, and only if, Nest throws at start-up', () => {
    const past = new Date('2020-01-01');
    const future = new Date(from.getTime() + 365 * 24 * 60 * 60 * 1_000);
    const both = { timeZone: 'UTC', utcOffset: 60 } as CronOptions;

    it.each<[string, MethodDecorator, InspectedNestJob['fate'], (RegExp | string)?]>([
      [
        "'-', which only our decorators know",
        Cron('-'),
        'invalid',
        `Broken.run: the cron expression of @Cron cannot be read: "-" (Too few fields); write five fields, or six with the seconds first, such as '0 */5 * * * *'.`,
      ],
      ['an unknown name', Cron('nonsense'), 'invalid', /cannot be read: "nonsense"/],
      ['no expression', Cron(undefined as never), 'invalid', /must be a string, not undefined/],
      [
        'an expression that cannot be read, even disabled',
        Cron('nonsense', { disabled: true }),
        'invalid',
        /cannot be read: "nonsense"/,
      ],
      ['an unknown zone', Cron('* * * * *', { timeZone: 'Mars/X' }), 'invalid', /"Mars\/X"/],
      [
        'an unknown zone, even disabled',
        Cron('* * * * *', { timeZone: 'Mars/X', disabled: true }),
        'invalid',
        /"Mars\/X"/,
      ],
      ['a zone and an offset', Cron('* * * * *', both), 'invalid', /timeZone and utcOffset/],
      [
        'a date that has passed',
        Cron(past),
        'invalid',
        'Broken.run: the date of @Cron, 2020-01-01T00:00:00.000Z, has passed; pass a later one, or set disabled: true.',
      ],
      [
        'an expression that no date matches',
        Cron('0 0 30 2 *'),
        'invalid',
        'Broken.run: no date matches the cron expression of @Cron; correct it, or set disabled: true.',
      ],
      ['a date that has passed, disabled', Cron(past, { disabled: true }), 'disabled'],
      ['30 February, disabled', Cron('0 0 30 2 *', { disabled: true }), 'disabled'],
      ['a date to come', Cron(future), 'runs'],
      ['a date to come, with a zone', Cron(future, { timeZone: 'Europe/Berlin' }), 'runs'],
      ['an offset', Cron('* * * * *', { utcOffset: 60 }), 'runs'],
      ['29 February', Cron('0 0 29 2 *'), 'runs'],
    ])('%s', async (_, decorator, fate, reason = '') => {
      class Broken {
        run(): void {}
      }
      Injectable()(Broken);
      const method = Object.getOwnPropertyDescriptor(Broken.prototype, 'run')!;
      decorator(Broken.prototype, 'run', method);
      const metadata = { imports: [ScheduleModule.forRoot()], providers: [Broken] };

      const { nestJobs } = await preview(metadata);
      expect(nestJobs).toMatchObject([{ handler: 'Broken.run', fate }]);
      expect(await startsWith(metadata)).toBe(fate !== 'invalid');
      if (fate !== 'invalid') return;
      const [problem, rest] = nestJobs[0]!.status.split(' Nest throws ');
      expect(problem).toMatch(reason);
      expect(rest).toBe("at start-up, so the application doesn't start.");
      expect(nestJobs[0]!.nextRuns).toEqual([]);
    });
  });

  describe('that have the name of a schedule', () => {
    @Injectable()
    class Theirs {
      @Cron('@daily', { name: 'nightly' })
      job(): void {}
    }
    const imports = [ScheduleModule.forRoot()];
    const errorsOf = ({ findings }: ScopeInspection): string[] =>
      findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);

    it.each<[string, MethodDecorator]>([
      ['a cron', ScopedCron('@daily', { name: 'nightly' })],
      ['a disabled cron', ScopedCron('@daily', { name: 'nightly', disabled: true })],
    ])('[XC10] are reported, as at start-up: %s', async (_, decorator) => {
      const given = { imports, providers: [Theirs, workerWith(decorator)] };
      const started = await startApp(given).then(
        () => undefined,
        ({ message }: Error) => message,
      );
      const options = ScopedWorkerModule.forRoot();
      expect(errorsOf(await preview({ ...given, imports: [...imports, options] }))).toEqual([
        started,
      ]);
    });

    it.each<[string, () => Provider]>([
      ['a value of another class', () => ({ provide: Theirs, useValue: { job: () => undefined } })],
      ['a factory of null', () => ({ provide: Theirs, useFactory: () => null })],
      ['a factory of another object', () => ({ provide: Theirs, useFactory: () => ({}) })],
    ])('[XC10] are not there if the class token has %s, as at start-up', async (_, provider) => {
      const worker = workerWith(ScopedCron('@daily', { name: 'nightly' }));
      const given = { imports, providers: [provider(), worker] };
      await startApp(given);
      const options = ScopedWorkerModule.forRoot();
      expect(errorsOf(await preview({ ...given, imports: [...imports, options] }))).toEqual([]);
    });

    it('[XC10] are found on a value without a class token, as at start-up', async () => {
      const worker = workerWith(ScopedCron('@daily', { name: 'nightly' }));
      const given = { imports, providers: [{ provide: 'THEIRS', useValue: new Theirs() }, worker] };
      const started = await startApp(given).then(
        () => undefined,
        ({ message }: Error) => message,
      );
      const options = ScopedWorkerModule.forRoot();
      const inspection = await preview({ ...given, imports: [...imports, options] });
      expect(started).toContain('nightly');
      expect(errorsOf(inspection)).toEqual([started]);
      expect(fates(inspection)).toEqual([['Theirs.job', 'runs', expect.any(String)]]);
    });

    it.each<[string, MethodDecorator]>([
      ['of another kind', ScopedInterval(60_000, { name: 'nightly' })],
      ["a cron that '-' disables", ScopedCron('-', { name: 'nightly' })],
      [
        "a cron that a provider can disable with '-'",
        ScopedCron({ useFactory: () => '-' }, { name: 'nightly' }),
      ],
    ])('[XC10] are accepted, as at start-up: %s', async (_, decorator) => {
      const given = { imports, providers: [Theirs, workerWith(decorator)] };
      await startApp(given);
      const options = ScopedWorkerModule.forRoot();
      expect(errorsOf(await preview({ ...given, imports: [...imports, options] }))).toEqual([]);
    });

    function workerWith(decorator: MethodDecorator): Type {
      class Ours {
        run(): void {}
      }
      const run = Object.getOwnPropertyDescriptor(Ours.prototype, 'run')!;
      decorator(Ours.prototype, 'run', run);
      ScopedWorker()(Ours);
      return Ours;
    }
  });

  it('that the application may add at run time are pointed out, by who injects SchedulerRegistry', async () => {
    @Injectable()
    class Rules {
      constructor(readonly jobs: SchedulerRegistry) {}
    }
    @Injectable()
    class Imports {
      @Inject(SchedulerRegistry) readonly jobs!: SchedulerRegistry;
    }
    const notesOf = async (...providers: Provider[]): Promise<readonly string[]> => {
      const { notes } = await preview({ imports: [ScheduleModule.forRoot()], providers });
      return notes.filter((note) => note.includes('SchedulerRegistry'));
    };
    expect(await notesOf(Rates)).toEqual([]);
    expect(await notesOf(Rules)).toEqual([
      'Rules injects SchedulerRegistry: jobs that it adds at run time are not shown.',
    ]);
    const jobs = { provide: 'jobs', inject: [SchedulerRegistry], useFactory: () => [] };
    expect(await notesOf(Rules, Imports, jobs)).toEqual([
      'Rules, Imports, jobs inject SchedulerRegistry: jobs that they add at run time are not shown.',
    ]);

    const { app } = await startApp({ imports: [ScheduleModule.forRoot()], providers: [Rules] });
    expect(inspectScopes(app).notes).toEqual([
      'Rules injects SchedulerRegistry: jobs that it adds at run time are not shown.',
    ]);
  });

  it('are an empty list if the application has none', async () => {
    @ScopedWorker()
    class Worker {
      @ScopedCron('0 0 * * * *')
      run(): void {}
    }
    expect((await preview({ providers: [Worker] })).nestJobs).toEqual([]);
  });
});

describe('Start-up under adoptNestSchedules', () => {
  afterEach(closeApps);
  const ABOUT = /@nestjs\/schedule/;

  it('says which jobs it left to Nest, and why, without those that are disabled', async () => {
    const { log } = await adoptingApp({ providers });
    expect(log.of('log').filter((line) => ABOUT.test(line))).toEqual([
      '3 jobs of @nestjs/schedule were not adopted, because their classes are singletons and need no scope. Nest runs them: Rates.load, Rates.poll, Rates.once',
    ]);
  });

  it('warns of those that nothing runs', async () => {
    const { log } = await startApp({ providers, options: { adoptNestSchedules: true } });
    expect(log.of('warn').filter((line) => ABOUT.test(line))).toEqual([
      '3 jobs of @nestjs/schedule were not adopted, because their classes are singletons and need no scope. Nothing runs them, because ScheduleModule.forRoot() is not imported: Rates.load, Rates.poll, Rates.once',
    ]);
  });

  it('does not count a factory that has returned no instance as a singleton', async () => {
    const off = { module: class Off {}, providers: [{ provide: Mailer, useFactory: () => null }] };
    const given = { imports: [off], providers: [Tenant, Invoices, Mailer] };
    const { app, log, registry } = await adoptingApp(given);
    expect(log.of('log').filter((line) => ABOUT.test(line))).toEqual([]);
    expect(registry.list().map(({ name }) => name)).toEqual(['Mailer.send']);
    expect(fates(inspectScopes(app))).toEqual([['Mailer.send', 'adopted', expect.any(String)]]);
  });

  it('says nothing where every job is adopted, and without the option', async () => {
    const adopting = await adoptingApp({ providers: [Tenant, Invoices, Mailer] });
    const without = await startApp({ imports: [ScheduleModule.forRoot()], providers: [Rates] });
    const lines = [adopting, without].flatMap(({ log }) => [...log.of('log'), ...log.of('warn')]);
    expect(lines.filter((line) => ABOUT.test(line))).toEqual([]);
  });
});
