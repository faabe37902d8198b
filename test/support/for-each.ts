import type { InjectionToken } from '@nestjs/common';
import type { FromProviders, HandlerOptions, Tick } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { worker } from './probes.js';
import { heard, type JobsApp } from './run-time-schedules.js';

export interface ForEachApp extends TestApp, Pick<JobsApp, 'finished' | 'skipped'> {
  /** The items whose ticks began, in order. */
  readonly begun: unknown[];
}

export interface ForEachOptions extends TestAppOptions {
  /** A list, or a factory of one. */
  readonly list: readonly unknown[] | FromProviders<Iterable<unknown>>['useFactory'];
  readonly inject?: readonly unknown[];
  /** What the worker receives. */
  readonly needs?: readonly InjectionToken[];
  readonly handler?: HandlerOptions;
}

/** Starts an application with the schedule `Worker.run`, which has a tick for each item of a list. */
export async function forEachApp(
  { list, inject, needs = [], handler = {}, providers = [], ...metadata }: ForEachOptions,
  work: (item: never, tick: Tick, ...injected: never[]) => unknown = () => undefined,
): Promise<ForEachApp> {
  const begun: unknown[] = [];
  const useFactory = typeof list === 'function' ? list : () => list;
  const forEach = inject === undefined ? { useFactory } : { inject, useFactory };
  const Worker = worker(
    needs,
    (tick, ...injected) => {
      begun.push(tick.payload);
      return work(tick.payload as never, tick, ...(injected as never[]));
    },
    { forEach, ...handler },
  );
  const test = await startApp({ ...metadata, providers: [Worker, ...providers] });
  return { ...test, begun, ...heard(test) };
}
