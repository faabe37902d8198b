import type { Engine } from '../../lib/index.js';
import type { Schedule } from '../../lib/schedule/schedule.js';

/** An engine that shows what it is started with, and never fires. */
export function quietEngine(started: (schedules: readonly Schedule[]) => void): Engine {
  return {
    name: 'quiet',
    start: (schedules: readonly Schedule[]) => started(schedules),
    stop: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    nextRun: () => undefined,
  } as Partial<Engine> as Engine;
}
