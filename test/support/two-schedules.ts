import { ScopedInterval, ScopedWorker, type Tick } from '../../lib/index.js';
import { startApp } from './app.js';

/** Two schedules of every second; `Second.other` is never touched. */
export async function twoSchedules(work: (tick: Tick) => unknown = () => undefined) {
  const ran: string[] = [];
  @ScopedWorker()
  class Second {
    @ScopedInterval(1_000, { name: 'report' })
    run(tick: Tick): unknown {
      ran.push(`${tick.trigger} ${tick.scheduledAt.toISOString()}`);
      return work(tick);
    }

    @ScopedInterval(1_000)
    other(): void {
      ran.push('other');
    }
  }
  const test = await startApp({ providers: [Second] });
  const changes: unknown[] = [];
  test.events.on('schedule:changed', (change) => changes.push(change));
  const ownRuns = (): string[] => ran.filter((entry) => entry !== 'other');
  return { ...test, ran, ownRuns, changes };
}
