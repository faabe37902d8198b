import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  ScopedWorkerError,
  type ScheduleChange,
  type Tick,
  type TickReport,
} from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';

export interface JobsApp extends TestApp {
  /** Each tick that began, as `schedule trigger HH:MM:SS.mmm`. */
  readonly ran: string[];
  readonly changes: ScheduleChange[];
  readonly finished: TickReport[];
  /** Each tick that was skipped, as `schedule reason`. */
  readonly skipped: string[];
}

/**
 * Starts an application with the worker `Jobs`: a cron of every hour, an interval of a minute, and the method
 * `plain`, which has no decorator.
 */
export async function jobsApp(
  work: (tick: Tick) => unknown = () => undefined,
  { providers = [], ...metadata }: TestAppOptions = {},
): Promise<JobsApp> {
  const ran: string[] = [];
  const record = (tick: Tick): unknown => {
    ran.push(written(tick));
    return work(tick);
  };
  @ScopedWorker()
  class Jobs {
    @ScopedCron('0 0 * * * *')
    hourly(tick: Tick): unknown {
      return record(tick);
    }

    @ScopedInterval(60_000)
    poll(tick: Tick): unknown {
      return record(tick);
    }

    plain(tick: Tick): unknown {
      return record(tick);
    }

    *generate(): Generator {}
  }
  const test = await startApp({ ...metadata, providers: [Jobs, ...providers] });
  return { ...test, ran, ...heard(test) };
}

/** A tick as `schedule trigger HH:MM:SS.mmm`. */
export function written({ schedule, trigger, scheduledAt }: Tick): string {
  return `${schedule} ${trigger} ${scheduledAt.toISOString().slice(11, -1)}`;
}

/** The events of an application from now on. */
export function heard({ events }: Pick<TestApp, 'events'>): Omit<JobsApp, keyof TestApp | 'ran'> {
  const changes: ScheduleChange[] = [];
  const finished: TickReport[] = [];
  const skipped: string[] = [];
  events.on('schedule:changed', (change) => changes.push(change));
  events.on('tick:finished', (report) => finished.push(report));
  events.on('tick:skipped', ({ schedule, reason }) => skipped.push(`${schedule} ${reason}`));
  return { changes, finished, skipped };
}

/** The error of the library that a call throws. */
export function thrownBy(call: () => unknown): ScopedWorkerError & { problems?: string[] } {
  try {
    call();
  } catch (error) {
    if (error instanceof ScopedWorkerError) return error;
    throw error;
  }
  throw new Error('The call did not throw.');
}
