import { Injectable, Scope, type ModuleMetadata, type Type } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import type { ScopedWorkerModuleOptions } from '../../lib/index.js';
import { startApp, type RecordingLogger, type TestApp } from './app.js';

/** An application with `ScheduleModule.forRoot()` and `adoptNestSchedules: true`. */
export function adoptingApp(
  { imports = [], ...metadata }: ModuleMetadata,
  options: ScopedWorkerModuleOptions = {},
): Promise<TestApp> {
  return startApp({
    ...metadata,
    imports: [ScheduleModule.forRoot(), ...imports],
    options: { adoptNestSchedules: true, ...options },
  });
}

/** A class with one method `run` under a decorator of `@nestjs/schedule`; a request-scoped one is skipped by Nest. */
export function jobClass(scope: Scope, decorator: MethodDecorator, run: () => unknown): Type {
  @Injectable({ scope })
  class Job {
    run(): unknown {
      return run();
    }
  }
  decorator(Job.prototype, 'run', Object.getOwnPropertyDescriptor(Job.prototype, 'run')!);
  return Job;
}

/** What Nest logs of a job that it skips. */
export function skipWarning(what: 'cron job' | 'interval' | 'timeout', job: string): string {
  return `Cannot register ${what} "${job}" because it is defined in a non static provider.`;
}

/** What was warned of, without the notices of workers that another test of the file provides. */
export function warningsOf(log: RecordingLogger): string[] {
  return log.of('warn').filter((line) => !line.includes('no module of this application provides'));
}
