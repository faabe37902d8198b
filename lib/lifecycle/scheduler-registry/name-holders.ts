import { nestHandlerNamed } from '../../discovery/nest-schedules.js';
import { NestInside } from '../../nest/index.js';
import {
  findBeside,
  get,
  type NestKind,
  type NestSchedulerRegistry,
} from './nest-scheduler-registry.js';

/** The owner of a name in `SchedulerRegistry`. */
export interface NameHolder {
  readonly text: string;
  /** What to remove if it is the same job; nothing for a job of a decorator. */
  readonly adder: string | undefined;
}

/** A job of a decorator. Nest sets `ref` when it adds the job to `SchedulerRegistry`. */
interface DecoratedJob {
  readonly ref?: unknown;
}

/**
 * Finds out who has a name in `SchedulerRegistry`: a job that is there, or one of `@Cron`, `@Interval` or `@Timeout` that
 * Nest adds later, in `onApplicationBootstrap` of its module, after our schedules are shown.
 *
 * `SchedulerOrchestrator` of `@nestjs/schedule` keeps the jobs that it will add in private fields; the same from 5.0 to 12.0.
 * The decorators alone don't say which ones those are: Nest skips classes, options disable a kind, factories make instances.
 */
export class NameHolders {
  readonly #orchestrator: Readonly<Record<string, unknown>> | undefined;

  constructor(
    private readonly nest: NestInside,
    private readonly target: NestSchedulerRegistry,
  ) {
    this.#orchestrator = findBeside(nest, target, 'SchedulerOrchestrator');
  }

  /** Returns undefined if the name is free. */
  holderOf(kind: NestKind, name: string): NameHolder | undefined {
    const job = this.decoratedJob(kind, name);
    const isPending = job !== undefined && job.ref === undefined;
    if (!isPending && !this.target.doesExist(kind, name)) return undefined;
    if (!isPending && job?.ref !== get(this.target, name, kind))
      return {
        text: `${NOUNS[kind]} that the application has added to SchedulerRegistry`,
        adder: ADDERS[kind],
      };
    const found = nestHandlerNamed(this.nest.modules.values(), kind, name);
    const text =
      found === undefined
        ? `${NOUNS[kind]} that @nestjs/schedule runs` // of an instance that a factory made
        : `the ${found.decorator} of ${found.handler}, which @nestjs/schedule runs`;
    return { text, adder: undefined };
  }

  private decoratedJob(kind: NestKind, name: string): DecoratedJob | undefined {
    const jobs = this.#orchestrator?.[FIELDS[kind]];
    if (typeof jobs !== 'object' || jobs === null || !Object.hasOwn(jobs, name)) return undefined;
    return (jobs as Readonly<Record<string, DecoratedJob>>)[name];
  }
}

/** The fields of `SchedulerOrchestrator`. */
const FIELDS = { cron: 'cronJobs', interval: 'intervals', timeout: 'timeouts' } as const;

/** The methods of `SchedulerRegistry` by which an application adds something. */
const ADDERS = {
  cron: 'addCronJob()',
  interval: 'addInterval()',
  timeout: 'addTimeout()',
} as const;

const NOUNS = { cron: 'a job', interval: 'an interval', timeout: 'a timeout' } as const;
