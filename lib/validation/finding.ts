/**
 * What a finding is about.
 *
 * - `invalid-options`: an option of `ScopedWorkerModule` cannot work, or two imports of it differ.
 * - `invalid-schedule`: a decorator, an option or an override cannot work.
 * - `duplicate-schedule`: two schedules carry one name.
 * - `worker-not-scoped`: Nest builds a worker once for the whole application.
 * - `worker-ready-made`: a worker is provided with `useValue`, so it cannot be new on every tick.
 * - `worker-provided-twice`: one worker class stands in several modules; its schedules run once. Or a background
 *   worker is provided more than once; it runs once.
 * - `worker-not-provided`: a class of this process is marked `@ScopedWorker()`, but no module of this
 *   application provides it.
 * - `background-worker-scoped`: a `BackgroundWorker` is request-scoped or transient, so no instance of it lives with
 *   the application.
 * - `nest-schedule-skipped`: `@Cron`, `@Interval` or `@Timeout` of `@nestjs/schedule` stands where Nest does not run it.
 *
 * @publicApi
 */
export type FindingKind =
  | 'invalid-options'
  | 'invalid-schedule'
  | 'duplicate-schedule'
  | 'worker-not-scoped'
  | 'worker-ready-made'
  | 'worker-provided-twice'
  | 'worker-not-provided'
  | 'nest-schedule-skipped'
  | 'background-worker-scoped';

/**
 * Something the start-up check objects to.
 *
 * @publicApi
 */
export interface Finding {
  readonly kind: FindingKind;
  /**
   * `error` stops start-up, `warning` does so under `scopeValidation: 'strict'`; a `notice` is only logged,
   * because it may well be meant so.
   */
  readonly severity: 'error' | 'warning' | 'notice';
  /** The culprit, written `Class.method` or `Class`. */
  readonly subject: string;
  /** One sentence: who, what is wrong, what to write instead. */
  readonly message: string;
}
