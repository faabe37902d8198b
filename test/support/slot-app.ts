import {
  ScopedCron,
  ScopedInterval,
  ScopedWorker,
  type HandlerOptions,
  type ScopedWorkerModuleOptions,
  type Tick,
} from '../../lib/index.js';
import { startApp } from './app.js';
import { NOON } from './fake-clock.js';
import { gate, type Gate } from './gate.js';

/** What became of a slot, as `name after-noon-in-seconds`, and of one that did not run, with the reason. */
export type SlotLine = string;

const line = ({ schedule, scheduledAt }: Pick<Tick, 'schedule' | 'scheduledAt'>): SlotLine =>
  `${schedule} ${(scheduledAt.getTime() - NOON.getTime()) / 1_000}`;

/**
 * An application whose schedules are due each second under the fake clock, by their names, each with its options. Each tick waits for
 * its gate: `release()` ends the oldest that runs.
 */
export async function slotApp(
  kind: 'cron' | 'interval',
  schedules: Record<string, HandlerOptions>,
  options?: ScopedWorkerModuleOptions,
) {
  const begun: SlotLine[] = [];
  const ticks: Tick[] = [];
  const held: Gate[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const work = async (tick: Tick): Promise<void> => {
    begun.push(line(tick));
    ticks.push(tick);
    mostAtOnce = Math.max(mostAtOnce, (running += 1));
    const own = gate();
    held.push(own);
    tick.signal.addEventListener('abort', () => own.fail(tick.signal.reason));
    await own.opened.finally(() => (running -= 1));
  };
  const workers = Object.entries(schedules).map(([name, given]) => {
    @ScopedWorker()
    class Secondly {
      @(kind === 'cron'
        ? ScopedCron('* * * * * *', { name, ...given } as HandlerOptions)
        : ScopedInterval(1_000, { name, ...given } as HandlerOptions))
      run(tick: Tick): Promise<void> {
        return work(tick);
      }
    }
    return Secondly;
  });
  const test = await startApp({ providers: workers, ...(options && { options }) });
  const skipped: string[] = [];
  const finished: string[] = [];
  test.events.on('tick:skipped', (report) => skipped.push(`${line(report)} ${report.reason}`));
  test.events.on('tick:finished', (report) => {
    const why = report.reason === undefined ? '' : ` ${report.reason}`;
    finished.push(`${line(report)} ${report.outcome}${why}`);
  });
  const release = (): void => held.shift()?.open();
  const releaseAll = (): void => {
    for (const own of held.splice(0)) own.open();
  };
  return {
    ...test,
    begun,
    ticks,
    skipped,
    finished,
    release,
    releaseAll,
    mostAtOnce: () => mostAtOnce,
  };
}
