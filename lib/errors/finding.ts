/**
 * The number and the severity of each kind. A number never changes its meaning. lib/discovery reports SW0xx and SW1xx; the rules
 * of lib/validation report SW2xx. `npm run findings` writes this table and the descriptions of `FindingKind` to docs/findings.md.
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
  'lifetime-misjudged': { number: 'SW211', severity: 'error' },
  'hook-unused': { number: 'SW212', severity: 'warning' },
  'transaction-mixed': { number: 'SW213', severity: 'warning' },
} as const satisfies Record<string, { number: `SW${number}`; severity: FindingSeverity }>;

/** Kinds that always stop start-up: without valid options and expressions, nothing can run. */
export const HOPELESS: ReadonlySet<FindingKind> = new Set<FindingKind>([
  'invalid-options',
  'invalid-schedule',
  'duplicate-schedule',
]);

/** The kinds and numbers that `allowFindings` may name. */
export const ALLOWABLE: ReadonlySet<string> = new Set(
  Object.entries(FINDINGS)
    .filter(([kind]) => !HOPELESS.has(kind as FindingKind) && kind !== 'allowance-unused')
    .flatMap(([kind, { number }]) => [kind, number]),
);

/**
 * The kind of a finding. `docs/findings.md` has a section for each.
 *
 * - `invalid-options`: an option of `ScopedWorkerModule` or of a background worker is invalid, or two imports of the module
 *   differ.
 * - `invalid-schedule`: a decorator, an option of a handler or an override is invalid.
 * - `duplicate-schedule`: two schedules have the same name.
 * - `worker-not-scoped`: Nest builds a worker once for the whole application, or the worker is durable.
 * - `worker-ready-made`: a worker is provided with `useValue`, so ticks can't get new instances of it.
 * - `worker-provided-twice`: several modules provide a worker with the same dependencies, and it runs only once.
 * - `worker-not-provided`: a class is marked `@ScopedWorker()`, but no module of the application provides it.
 * - `background-worker-scoped`: a `BackgroundWorker` is request-scoped or transient, so none of its instances lives as long as the
 *   application.
 * - `nest-schedule-skipped`: `@Cron`, `@Interval` or `@Timeout` from `@nestjs/schedule` is on a class whose jobs Nest skips.
 * - `nest-schedule-transient`: `@Cron`, `@Interval` or `@Timeout` is on a transient class, so Nest runs it on an object that was
 *   never constructed.
 * - `module-not-imported`: the application has workers but doesn't import `ScopedWorkerModule`, so none of them run. Only the
 *   inspector reports this.
 * - `message-handler-scoped`: another library calls a request-scoped class for each job, message or event, and nothing disposes
 *   its instances. The severity is only `info` if the class is always constructed and nothing in its dependency tree has a disposer
 *   or a scope hook.
 * - `worker-run-elsewhere`: another library calls methods of a class marked `@ScopedWorker()`. The decorator has no effect on
 *   these calls.
 * - `dependency-missing`: a worker, or a provider that its ticks need, injects a token without a provider, so every tick would
 *   fail.
 * - `singleton-rebuilt`: a dependency makes a provider marked `@StaysSingleton()` request-scoped.
 * - `resource-rebuilt`: a provider that appears to be a pool, client or cache is rebuilt on every tick because of a dependency.
 * - `transient-captured`: a singleton holds a transient that has a disposer.
 * - `durable-captive`: a durable provider holds a request-scoped one, which is disposed earlier. The severity is only
 *   `warning` if no tick reaches the durable provider.
 * - `shared-by-factory`: a request-scoped factory returns an object that a static provider holds. The library can detect this only
 *   while a tick runs.
 * - `controller-rebuilt`: a controller is request-scoped because of a provider that only workers need. The severity is only `info`
 *   if it is likely but not certain that only workers need the provider.
 * - `scope-not-needed`: the ticks of a worker build nothing but the worker itself.
 * - `allowance-unused`: an entry of `allowFindings` matches no finding.
 * - `state-on-worker`: a handler leaves changed fields on its worker, and the next tick doesn't see them. The library can detect
 *   this only while a tick runs.
 * - `worker-hook-unused`: a worker has a lifecycle hook that Nest never calls, because the worker is new for each tick.
 * - `lifetime-misjudged`: the installed release of Nest builds a provider once, although it depends on a request-scoped one. The
 *   severity is only `warning` if no worker depends on the provider.
 * - `hook-unused`: Nest never calls a lifecycle hook of a provider, because a worker or a scoped repository makes the provider
 *   request-scoped. No tick and no controller needs the provider.
 * - `transaction-mixed`: a tick uses one data source both with and without `transaction: true`, so a failed tick keeps some of its
 *   writes.
 *
 * @publicApi
 */
export type FindingKind = keyof typeof FINDINGS;

/** The number of a finding, such as `SW202`, which is the same in every version. @publicApi */
export type FindingNumber = (typeof FINDINGS)[FindingKind]['number'];

/**
 * - `error`: work doesn't run, or uses an object after its disposal. Stops start-up.
 * - `warning`: a provider lives longer, or is built more often, than its source suggests; or a failed tick keeps some of its
 *   writes. Logged; stops start-up under `scopeValidation: 'strict'`.
 * - `info`: the problem may be intentional. Logged.
 *
 * @publicApi
 */
export type FindingSeverity = 'error' | 'warning' | 'info';

/**
 * A problem that the library found at start-up or while ticks ran.
 *
 * @publicApi
 */
export interface Finding {
  readonly number: FindingNumber;
  readonly kind: FindingKind;
  readonly severity: FindingSeverity;
  /** The culprit, in the form `Class.method` or `Class`. */
  readonly subject: string;
  /** The token of the culprit, if the culprit is a provider. An entry of `allowFindings` can name this token. */
  readonly token?: unknown;
  /** The chain of dependencies, such as `['ReportWorker.send', 'Invoices', 'Tenant']`; empty if the finding has none. */
  readonly chain: readonly string[];
  /** What happened, where, why it matters, and what to do. */
  readonly message: string;
}

/** A finding without the number and the severity of its kind. */
export interface FindingDraft {
  readonly kind: FindingKind;
  readonly subject: string;
  readonly message: string;
  readonly token?: unknown;
  readonly chain?: readonly string[];
  /** Replaces the severity of the kind, for a case that is less severe. */
  readonly severity?: FindingSeverity | undefined;
}

export function finding({ kind, chain = [], severity, ...draft }: FindingDraft): Finding {
  const { number, severity: usual } = FINDINGS[kind];
  return { number, severity: severity ?? usual, kind, ...draft, chain };
}

/** Formats a chain for a message. */
export function arrows(chain: readonly string[]): string {
  return chain.join(' -> ');
}
