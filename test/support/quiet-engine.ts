import type { Engine, EngineSchedule } from '../../lib/index.js';

/** An engine that shows what it is started with, and never fires. */
export function quietEngine(started: (schedules: readonly EngineSchedule[]) => void): Engine {
  return {
    name: 'quiet',
    start: (schedules: readonly EngineSchedule[]) => started(schedules),
    stop: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    nextRun: () => undefined,
  } as Partial<Engine> as Engine;
}
