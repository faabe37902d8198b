import { describe, expect, it } from '@jest/globals';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { FixtureJournal } from '../fixtures/nest-schedule/fixture-journal.js';
import { nullPrototypeObjectProvider } from '../fixtures/nest-schedule/null-prototype-object.provider.js';
import { RequestScopedCronService } from '../fixtures/nest-schedule/request-scoped-cron.service.js';
import { RequestScopedIntervalService } from '../fixtures/nest-schedule/request-scoped-interval.service.js';
import { RequestScopedTimeoutService } from '../fixtures/nest-schedule/request-scoped-timeout.service.js';
import { adoptingApp, skipWarning } from '../support/adoption.js';
import { appsOnFakeClock, RecordingLogger, startApp } from '../support/app.js';
import { advance } from '../support/fake-clock.js';

/** As in the tests of nestjs/schedule. */
const START = new Date('2020-01-01T00:00:00.000Z');

interface Fixture {
  readonly service: Type;
  readonly warning: string;
  readonly schedule: string;
  /** When it runs in the first three minutes, in seconds. */
  readonly runs: readonly number[];
  /** The option of `ScheduleModule.forRoot()` that switches it off. */
  readonly option: string;
}

const FIXTURES: readonly Fixture[] = [
  {
    service: RequestScopedCronService,
    warning: skipWarning('cron job', 'RequestScopedCronService@handleCron'),
    schedule: 'RequestScopedCronService.handleCron',
    runs: [60, 120, 180],
    option: 'cronJobs',
  },
  {
    service: RequestScopedIntervalService,
    warning: skipWarning('interval', 'RequestScopedIntervalService@handleInterval'),
    schedule: 'test',
    runs: Array.from({ length: 72 }, (_, index) => (index + 1) * 2.5),
    option: 'intervals',
  },
  {
    service: RequestScopedTimeoutService,
    warning: skipWarning('timeout', 'RequestScopedTimeoutService@handleTimeout'),
    schedule: 'test',
    runs: [2.5],
    option: 'timeouts',
  },
];

/** What `SchedulerRegistry` knows, of every kind. */
function registered(app: INestApplicationContext): string[] {
  const jobs = app.get(SchedulerRegistry, { strict: false });
  return [...jobs.getCronJobs().keys(), ...jobs.getIntervals(), ...jobs.getTimeouts()];
}

appsOnFakeClock(START);

describe.each(FIXTURES)(
  'The fixture $service.name of nestjs/schedule',
  ({ service, warning, schedule, runs, option }) => {
    const providers = [FixtureJournal, service];

    it('is skipped by Nest, with a warning', async () => {
      const log = new RecordingLogger();
      const app = await Test.createTestingModule({ imports: [ScheduleModule.forRoot()], providers })
        .setLogger(log)
        .compile();
      await app.init();
      expect(registered(app)).toEqual([]);
      expect(log.of('warn')).toEqual([warning]);
      await advance(180_000);
      expect(app.get(FixtureJournal).runs).toEqual([]);
      await app.close();
    });

    it('[XC1] runs under adoptNestSchedules when it says, each tick in its own scope, which is disposed', async () => {
      const { app, registry } = await adoptingApp({ providers });
      await advance(180_000);
      const journal = app.get(FixtureJournal);
      expect(journal.runs.map(({ at }) => (at - START.getTime()) / 1000)).toEqual(runs);
      expect(new Set(journal.runs.map(({ instance }) => instance)).size).toBe(runs.length);
      expect(new Set(journal.runs.map(({ scope }) => scope)).size).toBe(runs.length);
      expect(journal.disposed).toEqual(journal.runs.map(({ instance }) => instance));
      expect(registry.list().map(({ name }) => name)).toEqual([schedule]);
      expect(registry.stats()).toMatchObject({ openScopes: 0, closedScopes: runs.length });
    });

    it('[XC3] is neither skipped nor adopted when ScheduleModule switches its kind off', async () => {
      const { app, log, registry } = await startApp({
        imports: [ScheduleModule.forRoot({ [option]: false })],
        providers,
        options: { adoptNestSchedules: true },
      });
      await advance(180_000);
      expect([registry.list(), app.get(FixtureJournal).runs, log.of('warn')]).toEqual([[], [], []]);
    });
  },
);

describe('The fixture of nestjs/schedule without a prototype', () => {
  it('[XC3] disturbs nothing', async () => {
    const { registry } = await adoptingApp({
      providers: [FixtureJournal, RequestScopedCronService, nullPrototypeObjectProvider],
    });
    expect(registry.list()).toHaveLength(1);
  });
});
