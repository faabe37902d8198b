import { ScopedWorkerError } from './scoped-worker.error.js';

const TEXTS = {
  'already-waiting':
    'PeriodicTimer: waitForNextTick() was called while an earlier call still waits. Await each call before the next one, or give each loop a timer of its own.',
  over: 'PeriodicTimer: periodMs cannot be changed any more, because the timer was disposed or its signal was aborted. Make a new timer.',
} as const;

/**
 * A `PeriodicTimer` was asked for what it cannot do: a second wait at the same time, or another period after its end.
 *
 * @publicApi
 */
export class PeriodicTimerError extends ScopedWorkerError {
  readonly code = 'PERIODIC_TIMER';

  constructor(readonly problem: keyof typeof TEXTS) {
    super(TEXTS[problem]);
  }
}
