import type { Lifetime } from '../graph/lifetime-graph.js';
import type { ScheduleKind } from '../schedule/handler-options.js';
import type { Finding } from '../errors/finding.js';

/** A schedule as the inspector shows it. */
export interface InspectedSchedule {
  readonly name: string;
  /** The name of the handler, in the form `Class.method`. */
  readonly handler: string;
  readonly kind: ScheduleKind;
  /**
   * The cron expression, or text such as `every 5000 ms`, `5000 ms after the start` or `each message of ORDERS`. If a provider
   * supplies the timing, the text says so.
   */
  readonly due: string;
  /** The time zone of a cron expression; undefined for all other kinds. */
  readonly timeZone: string | undefined;
  /**
   * `undecided`: a factory supplies the timing, and the inspector doesn't call factories. `paused`: the schedule was paused at run
   * time.
   */
  readonly state: 'active' | 'paused' | 'disabled' | 'undecided';
  /** True if one more tick runs right after start-up (after `initialDelayMs`). That tick is the first of `nextRuns`. */
  readonly runsOnStart: boolean;
  /** True if the schedule has `forEach`: each run has one tick for each item of a list. */
  readonly runsForEachItem: boolean;
  /**
   * The next five due times in ISO 8601, as if the application started now; fewer if the schedule has no more. With `fixedDelay`,
   * only the next one.
   */
  readonly nextRuns: readonly string[];
}

/**
 * A job of `@nestjs/schedule`: a method with `@Cron`, `@Interval` or `@Timeout`. The inspector doesn't list jobs that
 * `ScheduleModule.forRoot()` disables, or jobs that the application itself adds to `SchedulerRegistry`.
 */
export interface InspectedNestJob {
  readonly name: string;
  /** The name of the handler, in the form `Class.method`. */
  readonly handler: string;
  /** The first module that provides the handler's class. */
  readonly module: string;
  readonly kind: ScheduleKind;
  /** The same as `InspectedSchedule.due`. */
  readonly due: string;
  readonly timeZone: string | undefined;
  /**
   * - `runs`: Nest runs the job.
   * - `disabled`: its decorator disables it.
   * - `skipped`: Nest skips it, because its class isn't a singleton.
   * - `adopted`: this library runs it, because `adoptNestSchedules` is set. It also appears in `schedules`.
   * - `unconstructed`: Nest runs it on an object whose constructor was never called.
   * - `not-run`: nothing runs it, because `ScheduleModule.forRoot()` isn't imported.
   * - `invalid`: its decorator is invalid. If Nest throws at start-up, `status` says so.
   */
  readonly fate:
    'runs' | 'disabled' | 'skipped' | 'adopted' | 'unconstructed' | 'not-run' | 'invalid';
  /** The fate in a sentence, with the reason. */
  readonly status: string;
  /** The next five runs in ISO 8601, as if the application started now; fewer if there are no more, none if the job doesn't run. */
  readonly nextRuns: readonly string[];
}

/** A provider in the tree of a worker. */
export interface InspectedProvider {
  readonly name: string;
  readonly module: string;
  readonly lifetime: Lifetime;
  /** True if a factory creates the instance: the result isn't known until the factory runs. */
  readonly isFactory: boolean;
  /** The reason for the lifetime. */
  readonly why: string;
  /** The method that disposes an instance; undefined if it has none, if none is known, or if no tick disposes it. */
  readonly disposer: string | undefined;
  /** The scope hooks that the provider has: any of `onScopeInit`, `onScopeCommit` and `onScopeRollback`. */
  readonly scopeHooks: readonly string[];
  /** True if the same instance appears earlier in the tree, with its dependencies. */
  readonly isRepeated: boolean;
  /** The dependencies of the provider; empty if it is shared, or if `isRepeated` is true. */
  readonly dependencies: readonly InspectedProvider[];
}

/** A worker, with the instances that are built for each of its ticks. */
export interface InspectedWorker {
  readonly name: string;
  readonly module: string;
  /** The names of the handlers, in the form `Class.method`. */
  readonly handlers: readonly string[];
  readonly tree: InspectedProvider;
  /** The disposers called after each tick, in order: `Class.method`, or `the result of the factory of X`. */
  readonly disposal: readonly string[];
  /**
   * The reason why Nest builds the worker in every tick, as a clause, such as `Mailer is injected with forwardRef()`. Undefined if
   * a plan builds the worker from the third tick on. Some reasons are known only after two ticks.
   */
  readonly noPlan?: string;
}

/** A finding, as plain data. */
export type InspectedFinding = Omit<Finding, 'token'>;

/**
 * Contains the result of the inspector as plain data, which is the same for the same application and the same `from`.
 *
 * @publicApi
 */
export interface ScopeInspection {
  readonly schedules: readonly InspectedSchedule[];
  /** The jobs of `@nestjs/schedule` with their fates. */
  readonly nestJobs: readonly InspectedNestJob[];
  readonly workers: readonly InspectedWorker[];
  /** The names of the background workers. */
  readonly background: readonly string[];
  readonly findings: readonly InspectedFinding[];
  /** The findings that the option `allowFindings` allows, with the reason for each. */
  readonly allowed: readonly {
    readonly finding: InspectedFinding;
    readonly reason: string;
  }[];
  /** The parts of the application that the inspector can't see, and the reasons. */
  readonly notes: readonly string[];
  /** The number of modules and, for each lifetime, the number of providers, controllers and enhancers. */
  readonly counts: Readonly<Record<Lifetime | 'modules', number>>;
}
