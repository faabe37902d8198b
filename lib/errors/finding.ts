/**
 * How much a finding weighs, and its number, by kind. The numbers stay when kinds are added. SW0xx and SW1xx are made in
 * lib/discovery, SW2xx by the rules of lib/validation.
 */
export const FINDINGS = {
  'invalid-options': { number: 'SW001', severity: 'error' },
  'invalid-schedule': { number: 'SW002', severity: 'error' },
  'duplicate-schedule': { number: 'SW003', severity: 'error' },
  'worker-not-scoped': { number: 'SW101', severity: 'error' },
  'worker-ready-made': { number: 'SW102', severity: 'warning' },
  'worker-provided-twice': { number: 'SW103', severity: 'info' },
  'worker-not-provided': { number: 'SW104', severity: 'info' },
  'background-worker-scoped': { number: 'SW105', severity: 'error' },
  'nest-schedule-skipped': { number: 'SW106', severity: 'error' },
  'nest-schedule-transient': { number: 'SW107', severity: 'error' },
  'module-not-imported': { number: 'SW108', severity: 'error' },
  'message-handler-scoped': { number: 'SW109', severity: 'warning' },
  'worker-run-elsewhere': { number: 'SW110', severity: 'warning' },
  'dependency-missing': { number: 'SW111', severity: 'error' },
  'singleton-rebuilt': { number: 'SW201', severity: 'error' },
  'resource-rebuilt': { number: 'SW202', severity: 'warning' },
  'transient-captured': { number: 'SW203', severity: 'warning' },
  'durable-captive': { number: 'SW204', severity: 'error' },
  'shared-by-factory': { number: 'SW205', severity: 'warning' },
  'controller-rebuilt': { number: 'SW206', severity: 'warning' },
  'scope-not-needed': { number: 'SW207', severity: 'info' },
  'allowance-unused': { number: 'SW208', severity: 'info' },
  'state-on-worker': { number: 'SW209', severity: 'info' },
  'worker-hook-unused': { number: 'SW210', severity: 'warning' },
} as const satisfies Record<string, { number: `SW${number}`; severity: FindingSeverity }>;

/** Findings that nothing can work around: without a readable expression there is no schedule. */
export const HOPELESS: ReadonlySet<FindingKind> = new Set<FindingKind>([
  'invalid-options',
  'invalid-schedule',
  'duplicate-schedule',
]);

/** What `allowFindings` may name: kinds and numbers of all findings that can be worked around. */
export const ALLOWABLE: ReadonlySet<string> = new Set(
  Object.entries(FINDINGS)
    .filter(([kind]) => !HOPELESS.has(kind as FindingKind) && kind !== 'allowance-unused')
    .flatMap(([kind, { number }]) => [kind, number]),
);

/**
 * What a finding is about. The page `docs/13-validation.md` has a section for each.
 *
 * - `invalid-options`: an option of `ScopedWorkerModule` cannot work, or two imports of it differ.
 * - `invalid-schedule`: a decorator, an option or an override cannot work.
 * - `duplicate-schedule`: two schedules carry one name.
 * - `worker-not-scoped`: Nest builds a worker once for the whole application.
 * - `worker-ready-made`: a worker is provided with `useValue`, so it cannot be new on every tick.
 * - `worker-provided-twice`: several modules provide one worker class with the same dependencies; its schedules run once. Or a background
 *   worker is provided more than once; it runs once.
 * - `worker-not-provided`: a class of this process is marked `@ScopedWorker()`, but no module of this
 *   application provides it.
 * - `background-worker-scoped`: a `BackgroundWorker` is request-scoped or transient, so no instance of it lives with
 *   the application.
 * - `nest-schedule-skipped`: `@Cron`, `@Interval` or `@Timeout` of `@nestjs/schedule` stands where Nest does not run it.
 * - `nest-schedule-transient`: it stands on a transient class, where Nest runs it on an object that was never constructed.
 * - `module-not-imported`: there are workers, and `ScopedWorkerModule` is not imported, so none of them runs. Only the inspector
 *   can see that.
 * - `message-handler-scoped`: another library calls a request-scoped class for each job, message or event, and its instances
 *   are never disposed.
 * - `worker-run-elsewhere`: another library calls methods of a class that is marked `@ScopedWorker()`; the decorator has no
 *   effect there.
 * - `dependency-missing`: a worker, or a provider that its ticks need, injects something that is not provided, so every tick
 *   would fail.
 * - `singleton-rebuilt`: a provider marked `@StaysSingleton()` is made request-scoped by a dependency.
 * - `resource-rebuilt`: what looks like a pool, a client or a cache is built anew on every tick, because of a dependency.
 * - `transient-captured`: a singleton holds a transient that has a disposer.
 * - `durable-captive`: a durable provider holds a request-scoped one, which ends before it.
 * - `shared-by-factory`: a request-scoped factory hands out an object that a static provider holds. Found when it runs.
 * - `controller-rebuilt`: a controller is request-scoped because of a provider that only workers need.
 * - `scope-not-needed`: nothing is built for the ticks of a worker but the worker itself.
 * - `worker-hook-unused`: a worker has a lifecycle hook that Nest never calls, because the worker is new on each tick.
 * - `state-on-worker`: a handler leaves changed fields on its worker, which the next tick does not see. Found when the
 *   handler runs.
 * - `allowance-unused`: an entry of `allowFindings` fits no finding.
 *
 * @publicApi
 */
export type FindingKind = keyof typeof FINDINGS;

/** The number of a finding, such as `SW202`: short, and the same in every version. @publicApi */
export type FindingNumber = (typeof FINDINGS)[FindingKind]['number'];

/**
 * - `error`: work will not run, or will use an object after its disposal. Stops start-up.
 * - `warning`: something lives longer, or is built more often, than its author believes. Is logged; stops start-up under
 *   `scopeValidation: 'strict'`.
 * - `info`: it may well be meant so. Is logged.
 *
 * @publicApi
 */
export type FindingSeverity = 'error' | 'warning' | 'info';

/**
 * Something the validator objects to.
 *
 * @publicApi
 */
export interface Finding {
  readonly number: FindingNumber;
  readonly kind: FindingKind;
  readonly severity: FindingSeverity;
  /** The culprit, written `Class.method` or `Class`. */
  readonly subject: string;
  /** The token of the culprit where it is a provider: what `allowFindings` names. */
  readonly token?: unknown;
  /** The way along dependencies that leads to it, such as `['ReportWorker.send', 'Invoices', 'Tenant']`; else empty. */
  readonly chain: readonly string[];
  /** Who, what is wrong, why it matters, and what to write instead. */
  readonly message: string;
}

/** What a rule says; number and severity come with the kind. */
export interface FindingDraft {
  readonly kind: FindingKind;
  readonly subject: string;
  readonly message: string;
  readonly token?: unknown;
  readonly chain?: readonly string[];
  /** Where the case at hand weighs less than its kind. */
  readonly severity?: FindingSeverity;
}

export function finding({ kind, chain = [], ...draft }: FindingDraft): Finding {
  return { ...FINDINGS[kind], kind, ...draft, chain };
}
