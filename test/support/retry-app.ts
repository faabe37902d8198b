import {
  type HandlerOptions,
  type ScopedWorkerModuleOptions,
  type Tick,
  type TickReport,
  type TickRetry,
} from '../../lib/index.js';
import { startApp, type TestAppOptions } from './app.js';
import { worker, Probe, PROBES } from './probes.js';

/** What one attempt does. */
export type Attempt = (tick: Tick, probe: Probe) => unknown;

export const succeeds: Attempt = ({ attempt }) => `attempt ${attempt}`;

/** Throws a new error, `attempt 1 failed` and so on. */
export const fails: Attempt = ({ attempt }) => {
  throw new Error(`attempt ${attempt} failed`);
};

interface RetryApp {
  /** Options of the handler; `retry` has 3 attempts without any wait unless it says something else. */
  readonly handler?: HandlerOptions;
  readonly options?: ScopedWorkerModuleOptions;
  readonly providers?: TestAppOptions['providers'];
}

/**
 * An application with the schedule `Worker.run`, whose attempts do what the script says, one entry each; the last one stays. Notes
 * what is reported of them.
 */
export async function retryApp(script: readonly Attempt[], given: RetryApp = {}) {
  const ticks: Tick[] = [];
  const handler = (tick: Tick, probe: Probe): unknown => {
    const attempt = script[Math.min(ticks.length, script.length - 1)]!;
    ticks.push(tick);
    return attempt(tick, probe);
  };
  const Worker = worker([Probe], handler, { retry: { attempts: 3 }, ...given.handler });
  const test = await startApp({
    options: given.options ?? {},
    providers: [...PROBES, Worker, ...(given.providers ?? [])],
  });
  const told: string[] = [];
  const retries: TickRetry[] = [];
  const reports: TickReport[] = [];
  const { events } = test;
  events.on('scope:opened', () => told.push('scope:opened'));
  events.on('scope:closed', () => told.push('scope:closed'));
  events.on('tick:started', ({ attempt }) => told.push(`tick:started ${attempt}`));
  events.on('tick:retrying', (retry) => {
    told.push(`tick:retrying ${retry.attempt}`);
    retries.push(retry);
  });
  events.on('tick:finished', (report) => {
    told.push(`tick:finished ${report.attempts}`);
    reports.push(report);
  });
  return {
    ...test,
    ticks,
    told,
    retries,
    reports,
    run: (payload?: unknown) => test.registry.run('Worker.run', { payload }),
  };
}
