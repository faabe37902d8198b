import type { Lifetime } from '../graph/index.js';
import type { ScheduleKind } from '../schedule/handler-options.js';
import type { Finding } from '../errors/finding.js';

/** A schedule as the inspector shows it. */
export interface InspectedSchedule {
  readonly name: string;
  /** Written `Class.method`. */
  readonly handler: string;
  readonly kind: ScheduleKind;
  /** The cron expression, `every 5000 ms`, `5000 ms after the start`, `each message of ORDERS`, or that a provider gives it. */
  readonly due: string;
  /** Where a cron expression is read; undefined for all other kinds. */
  readonly timeZone: string | undefined;
  /** `undecided`: a provider says when it is due, and was not asked. `paused`: at run time, until it is resumed. */
  readonly state: 'active' | 'paused' | 'disabled' | 'undecided';
  /** One more tick right after start-up; it is the first of `nextRuns`. */
  readonly runsOnStart: boolean;
  /** The next five due moments in ISO 8601, as if the application started now; fewer when there are no more. */
  readonly nextRuns: readonly string[];
}

/**
 * A job of `@nestjs/schedule`: a method with `@Cron`, `@Interval` or `@Timeout`. Does not include jobs that
 * `ScheduleModule.forRoot()` disables, or jobs that the application itself adds to `SchedulerRegistry`.
 */
export interface InspectedNestJob {
  readonly name: string;
  /** Written `Class.method`. */
  readonly handler: string;
  /** The module that provides its class; the first one when there are several. */
  readonly module: string;
  readonly kind: ScheduleKind;
  /** As `InspectedSchedule.due`. */
  readonly due: string;
  readonly timeZone: string | undefined;
  /**
   * - `runs`: Nest runs it.
   * - `disabled`: its decorator disables it.
   * - `skipped`: Nest skips it, because its class is not a singleton.
   * - `adopted`: this library runs it, because `adoptNestSchedules` is set. It is among the schedules.
   * - `unconstructed`: Nest runs it on an object whose constructor was never called.
   * - `not-run`: `ScheduleModule.forRoot()` is not imported.
   * - `invalid`: its decorator cannot be read.
   */
  readonly fate:
    'runs' | 'disabled' | 'skipped' | 'adopted' | 'unconstructed' | 'not-run' | 'invalid';
  /** The same in a sentence, with the reason. */
  readonly status: string;
  /** The next five runs in ISO 8601, as if the application started now; empty when it doesn't run. */
  readonly nextRuns: readonly string[];
}

/** A provider in the tree of a worker. */
export interface InspectedProvider {
  readonly name: string;
  readonly module: string;
  readonly lifetime: Lifetime;
  /** Made by a factory: what it returns is not known before it runs. */
  readonly isFactory: boolean;
  /** Why it lives as long as it does. */
  readonly why: string;
  /** How an instance is disposed; undefined when it is not, or not known. */
  readonly disposer: string | undefined;
  /** `onScopeInit`, `onScopeCommit`, `onScopeRollback`, as far as it has them. */
  readonly scopeHooks: readonly string[];
  /** It stands in the tree before, with what it depends on: one instance for the whole scope. */
  readonly isRepeated: boolean;
  /** What it depends on; empty for what is shared with others, and where `isRepeated`. */
  readonly dependencies: readonly InspectedProvider[];
}

/** A worker with what is built for each of its ticks. */
export interface InspectedWorker {
  readonly name: string;
  readonly module: string;
  /** Written `Class.method`. */
  readonly handlers: readonly string[];
  readonly tree: InspectedProvider;
  /** What is disposed at the end of a tick, in this order, written `Class.method`; of a factory what it returns. */
  readonly disposal: readonly string[];
}

/** A finding, as plain data. */
export type InspectedFinding = Omit<Finding, 'token'>;

/**
 * What the inspector knows of an application: plain data, the same for the same application and the same moment.
 *
 * @publicApi
 */
export interface ScopeInspection {
  readonly schedules: readonly InspectedSchedule[];
  /** The jobs of `@nestjs/schedule` and how Nest treats them. */
  readonly nestJobs: readonly InspectedNestJob[];
  readonly workers: readonly InspectedWorker[];
  /** Background workers, by name. */
  readonly background: readonly string[];
  readonly findings: readonly InspectedFinding[];
  /** Findings that the option `allowFindings` names, with their reasons. */
  readonly allowed: readonly {
    readonly finding: InspectedFinding;
    readonly reason: string;
  }[];
  /** What could not be looked at, and why. */
  readonly notes: readonly string[];
  /** How many modules there are, and providers, controllers and enhancers of each lifetime. */
  readonly counts: Readonly<Record<Lifetime | 'modules', number>>;
}
