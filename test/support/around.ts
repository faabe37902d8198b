import type { InjectionToken } from '@nestjs/common';
import type {
  HandlerOptions,
  ScopedWorkerModuleOptions,
  StrayFailure,
  Tick,
  AroundHook,
} from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { worker } from './probes.js';
import { heard, type JobsApp } from './run-time-schedules.js';

export interface AroundApp extends TestApp, Pick<JobsApp, 'finished'> {
  readonly strays: StrayFailure[];
}

export interface AroundOptions extends TestAppOptions {
  readonly around: readonly AroundHook[];
  readonly handler?: HandlerOptions;
  /** What the worker receives. */
  readonly needs?: readonly InjectionToken[];
}

/** Starts an application with these hooks and the schedule `Worker.run`. */
export async function aroundApp(
  { around, handler, needs = [], providers = [], options, ...metadata }: AroundOptions,
  work: (tick: Tick, ...injected: never[]) => unknown = () => 'value',
): Promise<AroundApp> {
  const module: ScopedWorkerModuleOptions = { around, ...options };
  const test = await startApp({
    ...metadata,
    options: module,
    providers: [
      worker(needs, (tick, ...injected) => work(tick, ...(injected as never[])), handler),
      ...providers,
    ],
  });
  const strays: StrayFailure[] = [];
  test.events.on('failure:stray', (failure) => strays.push(failure));
  return { ...test, ...heard(test), strays };
}

/** A hook that notes when it begins, and how `next()` has ended. */
export function noting(lines: string[], name: string): Extract<AroundHook, Function> {
  return async (_tick, next) => {
    lines.push(`${name} begins`);
    try {
      const value = await next();
      lines.push(`${name} sees ${String(value)}`);
      return value;
    } catch (error) {
      lines.push(`${name} sees ${(error as Error).message}`);
      throw error;
    }
  };
}
