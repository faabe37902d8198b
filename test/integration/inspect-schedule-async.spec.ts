import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { inspectScopes, ScopedWorkerModule } from '../../lib/index.js';
import { closeApps } from '../support/app.js';
import { RequestScoped } from '../support/probes.js';
import { refusal } from '../support/refusal.js';

@RequestScoped()
class Tenant {}

@Injectable()
class Mailer {
  constructor(readonly tenant: Tenant) {}

  @Cron('@daily')
  send(): void {}
}

/** `ScheduleModule.forRootAsync({ useFactory })` of `@nestjs/schedule` 6.1 and 12; 6.0 has none. */
const scheduleModule = (): DynamicModule => ({
  ...ScheduleModule.forRoot(),
  providers: (ScheduleModule.forRoot().providers ?? []).map((provider) =>
    typeof provider === 'object' && provider.provide === 'SCHEDULE_MODULE_OPTIONS'
      ? {
          provide: 'SCHEDULE_MODULE_OPTIONS',
          useFactory: async () => ({
            cronJobs: true,
            intervals: true,
            timeouts: true,
          }),
        }
      : provider,
  ),
});

describe('A job that Nest skips beside ScheduleModule.forRootAsync()', () => {
  afterEach(closeApps);

  it('[C19] is found in preview mode, as start-up finds it', async () => {
    const metadata = {
      imports: [scheduleModule()],
      providers: [Tenant, Mailer],
    };
    expect(String(await refusal(metadata))).toContain('[SW106] Mailer.send');

    @Module({
      ...metadata,
      imports: [ScopedWorkerModule.forRoot(), scheduleModule()],
    })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, {
      preview: true,
      logger: false,
    });
    const { findings } = inspectScopes(app);
    expect(findings.map(({ number, subject }) => [number, subject])).toContainEqual([
      'SW106',
      'Mailer.send',
    ]);
  });

  it('is inspected in preview mode as the schedule that it is adopted as', async () => {
    @Module({
      imports: [ScopedWorkerModule.forRoot({ adoptNestSchedules: true }), scheduleModule()],
      providers: [Tenant, Mailer],
    })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, {
      preview: true,
      logger: false,
    });
    expect(inspectScopes(app).schedules.map(({ name }) => name)).toEqual(['Mailer.send']);
  });
});
